"""The data plane: everything between the MACs and the register bus."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .arbiter import StreamArbiter
from .counters import CounterBank
from .csr.bus import Bus
from .egress.port import SENT_BITS, EgressPort
from .events import counter_names
from .headers import ACCESS_DROPS, FABRIC_DROPS, Drop
from .hostport.interest import Interest
from .hostport.port import HostPort
from .ingress.port import IngressPort
from .lookup.dispatch import Dispatch
from .lookup.join import Join
from .lookup.pipeline import LookupPipeline
from .mac.faults import MacFaults
from .memory.packet_memory import PacketMemory
from .memory.shared_read import SharedRead
from .packet import PacketSignature
from .params import Params
from .phy.commands import PhyCommands
from .phy.link import LinkState
from .phy.startup import PhyClient
from .registers import RegisterBank
from .storm.control import StormControl
from .storm.limit import StormTicks
from .suppression.detour import Detour
from .suppression.responder import Responder
from .tables.bus import broadcast
from .tables.mac_entry import MacChange
from .traffic import Traffic, TrafficCounters

__all__ = ["Core"]

_SETTLE_CLOCKS = 127
"""More than any part holds a word without showing it."""


class Core(wiring.Component):
    """A TEP core. The module below is the frame's way, in its order; see ``docs/architecture.md``.

    Members
    -------
    rx, tx
        Frames from and to the MACs, access ports first.
    bus
        Register bus of the host (``gateware/registers.py``).
    link_errors
        Count of damaged host link frames, for the host to read.
    second
        Strobe once per second, the unit of ageing.
    storm
        Time for storm control, :func:`StormTicks`.
    links
        State of the ports' links, for the host to read.
    faults
        What goes wrong in the ports' MACs, to be counted.
    phys
        The host's access to registers of PHYs.
    busy
        Some frame or table operation is inside.
    """

    def __init__(self, params: Params, build: int = 0):
        self.params = params
        self.build = build
        super().__init__(
            {
                "rx": In(PacketSignature(params.width, always_ready=True)).array(params.ports),
                "tx": Out(PacketSignature(params.width)).array(params.ports),
                "bus": In(Bus()),
                "link_errors": In(32),
                "second": In(1),
                "storm": In(StormTicks()),
                "links": In(LinkState).array(params.ports),
                "faults": In(MacFaults).array(params.ports),
                "phys": Out(PhyClient()),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.bank = bank = RegisterBank(params, self.build)
        m.submodules.memory = memory = PacketMemory(params)
        m.submodules.lookup = lookup = LookupPipeline(params)
        m.submodules.join = join = Join(params)
        m.submodules.dispatch = dispatch = Dispatch(params)
        m.submodules.host = host = HostPort(params)
        m.submodules.counters = counters = CounterBank(_counter_widths(params))
        connect(m, flipped(self.bus), bank.bus)

        ingress = [IngressPort(params, port) for port in range(params.ports)]
        egress = [EgressPort(params, port) for port in range(params.ports)]
        for port in range(params.ports):
            m.submodules[f"ingress_{port}"] = ingress[port]
            m.submodules[f"egress_{port}"] = egress[port]

        # From the wire into packet memory; the keys go ahead to the lookup.
        for port, entry in enumerate(ingress):
            registers = bank.port[port]
            connect(m, flipped(self.rx[port]), entry.rx)
            connect(m, entry.words, memory.write[port])
            connect(m, memory.stored[port], entry.stored)
            connect(m, entry.keys, lookup.keys[port])
            connect(m, entry.frames, join.frames[port])
            m.d.comb += [
                entry.enable.eq(bank.control.enable),
                entry.native_vid.eq(registers.native_vid),
                entry.mac.eq(registers.mac),
                entry.address.eq(bank.address),
                entry.advert_sum.eq(registers.advert_sum),
                entry.sid_function.eq(bank.sid_function),
                entry.group_prefix.eq(bank.group_prefix),
                lookup.key_mask[port].eq(registers.key_mask),
            ]

        # Decisions meet the ends of their frames; from the verdict to the egress queues.
        connect(m, lookup.coming, join.coming)
        connect(m, lookup.decision, join.decision)
        connect(m, join.learn, lookup.learn)
        interest = Signal(Interest(params))
        m.d.comb += [
            join.admitted.eq(lookup.admitted),
            lookup.room.eq(join.room),
            join.interest.eq(interest),
        ]
        verdict = join.verdict
        if params.suppresses:
            verdict = self._suppress(m, verdict, bank, memory, host, counters)
        else:
            connect(m, host.read, memory.read[-1])
        storm_busy = self._limit(m, bank, verdict, interest, dispatch)
        connect(m, dispatch.commit, memory.commit)

        # From packet memory to the wire.
        free = Signal(range(params.cells + 1))
        m.d.sync += free.eq(params.cells - memory.used)
        for port, exit in enumerate(egress):
            connect(m, dispatch.enqueue[port], exit.enqueue)
            m.d.comb += [exit.free.eq(free), dispatch.share[port].eq(exit.room)]
            connect(m, exit.read, memory.read[port])
            connect(m, exit.release, memory.release[port])
            connect(m, host.inject[port], exit.inject)
            connect(m, exit.output, flipped(self.tx[port]))
            connect(m, bank.list_heads[port], exit.heads)
            connect(m, bank.list_members[port], exit.members)
            if params.is_fabric(port):
                registers = bank.port[port]
                fabric = port - params.access_ports
                connect(m, bank.outer_headers[fabric], exit.outer)
                connect(m, exit.excess, host.excess[fabric])
                m.d.comb += [
                    exit.mac.eq(registers.mac),
                    exit.mtu.eq(registers.mtu),
                    exit.address.eq(bank.address),
                    exit.interest.eq(interest),
                    exit.interval.eq(bank.punt.interval),
                    join.mtu[fabric].eq(registers.mtu),
                ]
            else:
                retag = bank.port[port].retag
                m.d.comb += [exit.retag.eq(retag), lookup.retag[port].eq(retag)]

        fabric_egress = egress[params.access_ports :]
        if params.has_ways:
            connect(m, bank.tep_ways, join.ways)
        broadcast(m, bank.tep_modes, [join.modes, *(exit.modes for exit in fabric_egress)])

        # To the host, and from it.
        connect(m, dispatch.host, host.offer)
        connect(m, host.release, memory.release[-1])
        connect(m, bank.mailbox, host.mailbox)
        m.d.comb += [
            *(
                getattr(host, name).eq(getattr(bank.punt, name))
                for name in ("interval", "changes", "snap", "consumed")
            ),
            *(interest[name].eq(getattr(bank.punt, name)) for name in interest.shape().members),
            host.event.eq(lookup.event),
            bank.punt.produced.eq(host.produced),
            host.command.eq(bank.inject.command),
            bank.inject.done.eq(host.done),
            host.second.eq(self.second),
            bank.status.time.eq(host.time),
        ]

        # Tables of the lookup.
        for name in (
            "tenant_slots",
            "tenant_stash",
            "tenant_entries",
            "source_slots",
            "rule_slots",
            "rule_stash",
            "mac_requests",
        ):
            connect(m, getattr(bank, name), getattr(lookup, name))
        connect(m, bank.counters, counters.bus)
        m.d.comb += [
            lookup.seed.eq(bank.hash_seed),
            lookup.age_seconds.eq(bank.age_seconds),
            lookup.learned_limit.eq(bank.learned_limit),
            lookup.second.eq(self.second),
            bank.status.cells_used.eq(memory.used),
            bank.status.link_errors.eq(self.link_errors),
            *(bank.port[port].link.eq(link) for port, link in enumerate(self.links)),
        ]
        m.submodules.phy_commands = commands = PhyCommands()
        connect(m, commands.phys, flipped(self.phys))
        m.d.comb += [commands.command.eq(bank.mdio.command), bank.mdio.result.eq(commands.result)]

        self._count(m, counters, ingress, egress, dispatch, lookup, host)
        counting = Signal()
        m.d.comb += counting.eq(counters.busy | self._count_parties(m, bank, egress, dispatch))
        # Words in pipeline registers show nowhere: what has just been busy stays so for longer than any of them. When
        # a frame has left packet memory, a wire may take long for each of its words.
        some_busy = Cat(memory.used != 0, lookup.busy, join.busy, counting, storm_busy, host.busy)
        some_were_busy = Signal.like(some_busy)
        active = Signal()
        settling = Signal(range(_SETTLE_CLOCKS + 1))
        m.d.sync += [
            some_were_busy.eq(some_busy),
            active.eq(
                some_were_busy.any()
                | Cat(rx.valid for rx in self.rx).any()
                | Cat(tx.valid for tx in self.tx).any()
            ),
        ]
        with m.If(active):
            m.d.sync += settling.eq(_SETTLE_CLOCKS)
        with m.Elif(settling != 0):
            m.d.sync += settling.eq(settling - 1)
        m.d.comb += self.busy.eq(active | (settling != 0))
        return m

    def _limit(self, m, bank, verdict, interest, dispatch) -> Value:
        """Verdicts on their way to dispatch, through storm control if there is any; whether it is busy."""
        if not self.params.limited_tenants:
            connect(m, verdict, dispatch.input)
            return Const(0)
        m.submodules.storm_control = storm = StormControl(self.params)
        connect(m, verdict, storm.input)
        connect(m, storm.output, dispatch.input)
        connect(m, bank.storm_limits, storm.limits)
        connect(m, flipped(self.storm), storm.ticks)
        m.d.comb += storm.interest.eq(interest)
        return storm.busy

    def _suppress(self, m, verdict, bank, memory, host, counters):
        """The way of verdicts past the responder to dispatch. It reads packet memory when the host does not."""
        params = self.params
        m.submodules.detour = detour = Detour(params)
        m.submodules.responder = responder = Responder(params)
        m.submodules.shared_read = shared = SharedRead(params)
        connect(m, verdict, detour.input)
        connect(m, detour.request, responder.request)
        connect(m, responder.outcome, detour.outcome)
        connect(m, host.read, shared.first)
        connect(m, responder.read, shared.second)
        connect(m, shared.read, memory.read[-1])
        connect(m, responder.patch, memory.patch)
        connect(m, bank.known_slots, responder.bus)
        m.d.comb += responder.seed.eq(bank.hash_seed)
        m.d.sync += [
            counters.increment["suppression.answered"].eq(responder.answered),
            counters.increment["suppression.overrun"].eq(detour.overrun),
        ]
        return detour.output

    def _count_parties(self, m, bank, egress, dispatch) -> Value:
        """Counters of remote TEPs and of tenants, as far as there are any; whether they are busy."""
        params = self.params
        access, fabric = egress[: params.access_ports], egress[params.access_ports :]
        busy = []
        for name, parties, exits in (
            ("teps", params.tep_counters, fabric),
            ("tenants", params.tenant_counters, access),
        ):
            if not parties:
                continue
            m.submodules[f"{name}_counters"] = counters = TrafficCounters(parties)
            m.submodules[f"{name}_sent"] = sent = StreamArbiter(
                Traffic(parties), len(exits), registered=len(exits) > 1
            )
            connect(m, getattr(dispatch, f"from_{name}"), counters.received)
            for number, exit in enumerate(exits):
                connect(m, exit.sent_to, sent.inputs[number])
            m.d.comb += [
                counters.sent.valid.eq(sent.output.valid),
                counters.sent.payload.eq(sent.output.payload.data),
                sent.output.ready.eq(counters.sent.ready),
            ]
            connect(m, getattr(bank, f"{name[:-1]}_counters"), counters.bus)
            busy.append(counters.busy)
        return Cat(busy).any()

    def _count(self, m, counters, ingress, egress, dispatch, lookup, host):
        params = self.params
        for port in range(params.ports):
            dropped_here = Signal(Drop, name=f"dropped_{port}")
            with m.If(dispatch.dropped.port == port):
                m.d.comb += dropped_here.eq(dispatch.dropped.drop)
            possible = set(FABRIC_DROPS if params.is_fabric(port) else ACCESS_DROPS)
            if not params.limited_tenants:
                possible.discard(Drop.STORM)
            events = {
                "rx_frames": ingress[port].received.frame,
                "rx_octets": ingress[port].received.octets,
                "tx_frames": egress[port].sent.valid,
                "tx_octets": Mux(egress[port].sent.valid, egress[port].sent.octets, 0),
                "queue_full": dispatch.queue_full[port],
                "rx_overflow": self.faults[port].overflow,
                "tx_underrun": self.faults[port].underrun,
                **{
                    drop.label: dropped_here == drop if drop in possible else Const(0)
                    for drop in Drop
                    if drop is not Drop.NONE
                },
            }
            events[Drop.NO_BUFFER.label] += ingress[port].dropped
            if params.is_fabric(port):
                events[Drop.TOO_BIG.label] += egress[port].too_big
            for name, event in events.items():
                m.d.sync += counters.increment[f"port[{port}].{name}"].eq(event)
        for change in MacChange:
            if change is not MacChange.NONE:
                m.d.sync += counters.increment[f"mac.{change.label}"].eq(lookup.event.change == change)
        m.d.sync += [
            counters.increment["mac.refused"].eq(lookup.refused),
            counters.increment["mac.events_lost"].eq(host.event_lost),
            counters.increment["punt.frames"].eq(host.punted),
            counters.increment["punt.lost"].eq(
                host.lost
                + dispatch.queue_full[-1]
                + sum(exit.excess_lost for exit in egress[params.access_ports :])
            ),
        ]


def _counter_widths(params: Params) -> list[tuple[str, int]]:
    """Name and width of the increment of every counter."""
    widths = {
        "rx_octets": (params.word_bytes).bit_length(),
        "tx_octets": SENT_BITS,
        Drop.NO_BUFFER.label: 2,
        Drop.TOO_BIG.label: 2,
        "refused": 2,
        "lost": (2 + params.fabric_ports).bit_length(),
    }
    return [(name, widths.get(name.rpartition(".")[2], 1)) for name in counter_names(params)]
