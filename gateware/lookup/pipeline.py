"""Headers of all ports through the tables, one key per clock."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from ..arbiter import RoundRobin
from ..ingress.port import Frame
from ..params import Params
from ..tables.bus import TableBus
from ..tables.mac import MacTable
from ..tables.memory import BLOCK_RAM_LATENCY, TableMemory
from .context import Context, Findings
from .delay import DelayLine
from .tables import TenantFlags, TenantKey, source_geometry, tenant_geometry
from .verdict import Verdict, VerdictStage

__all__ = ["LookupPipeline"]

_IN_FLIGHT = 16
"""Frames between arbiter and dispatch: more than the pipeline's latency holds at one per two clocks."""

_GROUP_BIT = 40


class LookupPipeline(wiring.Component):
    """Turns frames into verdicts, in the order in which the arbiter takes them.

    A frame is two keys on consecutive clocks, its source and then its destination, so that each table has one
    lookup port and takes one key per clock; one frame per two clocks in all. The pipeline itself never stalls:
    a frame enters only when ``verdict``'s queue has room for it.

    A source that must be learned goes to the MAC table beside the verdict.
    """

    def __init__(self, params: Params):
        self.params = params
        self.tenants = tenant_geometry(params).table()
        self.sources = source_geometry(params).table()
        self.macs = MacTable(params)
        self.flags = TableMemory(TenantFlags, params.tenants)
        super().__init__(
            {
                "frames": In(stream.Signature(Frame(params))).array(params.ports),
                "verdict": Out(stream.Signature(Verdict(params))),
                "seed": In(64),
                "key_mask": In(TenantKey).array(params.ports),
                "mtu": In(14).array(params.fabric_ports),
                "age_seconds": In(16),
                "second": In(1),
                "busy": Out(1),
                "learned": Out(1),
                "moved": Out(1),
                "aged": Out(1),
                "refused": Out(1),
                "tenant_slots": In(self.tenants.slots_bus.signature.flip()),
                "tenant_stash": In(self.tenants.stash_bus.signature.flip()),
                "tenant_flags": In(TableBus(TenantFlags, params.tenants)),
                "source_slots": In(self.sources.slots_bus.signature.flip()),
                "source_stash": In(self.sources.stash_bus.signature.flip()),
                "mac_requests": In(self.macs.bus.signature.flip()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.tenants = tenants = self.tenants
        m.submodules.sources = sources = self.sources
        m.submodules.macs = macs = self.macs
        m.submodules.flags = flags = self.flags
        m.submodules.choice = choice = RoundRobin(params.ports)
        m.submodules.verdicts = verdicts = VerdictStage(params)
        m.submodules.queue = queue = SyncFIFO(width=Verdict(params).size, depth=_IN_FLIGHT)

        for mine, table in (
            (self.tenant_slots, tenants.slots_bus),
            (self.tenant_stash, tenants.stash_bus),
            (self.tenant_flags, flags.bus),
            (self.source_slots, sources.slots_bus),
            (self.source_stash, sources.stash_bus),
            (self.mac_requests, macs.bus),
        ):
            connect(m, flipped(mine), table)

        # A frame is looked at for two clocks: its source's, then its destination's. Its port learns that it was
        # taken from registers alone, so that no port's handshake depends on another's.
        in_flight = Signal(range(_IN_FLIGHT + 1))
        enter = Signal()
        second_key = Signal()
        entered = Signal(range(max(2, params.ports)))
        port = Signal.like(entered)
        taken = Signal()
        frame = Array(frames.payload for frames in self.frames)[port]
        header = frame.header
        m.d.comb += [
            choice.requests.eq(Cat(frames.valid for frames in self.frames)),
            choice.accept.eq(enter),
            enter.eq(choice.valid & ~second_key & (in_flight != _IN_FLIGHT)),
            port.eq(Mux(second_key, entered, choice.index)),
            taken.eq(self.verdict.valid & self.verdict.ready),
            self.busy.eq((in_flight != 0) | choice.valid | macs.busy),
        ]
        for index, frames in enumerate(self.frames):
            m.d.comb += frames.ready.eq(second_key & (entered == index))
        m.d.sync += [
            second_key.eq(enter),
            entered.eq(choice.index),
            in_flight.eq(in_flight + enter - taken),
        ]

        # Keys.
        key = Signal(TenantKey)
        mac = Signal(48)
        group = Signal()  # this key is a group address: its tenant is the source's
        key_valid = Signal()
        mask = Signal(TenantKey)
        source_valid = Signal()
        outer_source = Signal(128)
        m.d.comb += [mac.eq(Mux(second_key, header.dst, header.src)), mask.eq(Array(self.key_mask)[port])]
        m.d.sync += [
            key_valid.eq(enter | second_key),
            source_valid.eq(enter),
            outer_source.eq(header.outer_src),
            key.mac.eq(mac & mask.mac),
            key.vid.eq(header.vid & mask.vid),
            group.eq(second_key & header.dst[_GROUP_BIT]),
        ]
        m.d.comb += [
            tenants.seed.eq(self.seed),
            sources.seed.eq(self.seed),
            macs.seed.eq(self.seed),
            tenants.input.valid.eq(key_valid),
            tenants.input.key.eq(key),
            sources.input.valid.eq(source_valid),
            sources.input.key.eq(outer_source),
            macs.age_seconds.eq(self.age_seconds),
            macs.second.eq(self.second),
            self.learned.eq(macs.learned),
            self.moved.eq(macs.moved),
            self.aged.eq(macs.aged),
            self.refused.eq(macs.refused),
        ]

        def delayed(name: str, value, clocks: int):
            m.submodules[name] = line = DelayLine(value.shape() if hasattr(value, "shape") else 1, clocks)
            m.d.comb += line.input.eq(value)
            return line.output

        # MAC lookup: the tenant found joins the MAC address that was looked up.
        tenant_done = tenants.LATENCY
        mac_done = macs.LATENCY
        key_mac = delayed("mac_to_tenant", mac, 1 + tenant_done)
        key_group = delayed("group_to_tenant", group, tenant_done)
        found = Signal(data.StructLayout({"hit": 1, "tenant": params.tenant_bits}))
        previous = Signal.like(found)
        m.d.sync += previous.eq(found)
        with m.If(key_group):
            m.d.comb += found.eq(previous)
        with m.Else():
            m.d.comb += [found.hit.eq(tenants.output.hit), found.tenant.eq(tenants.output.value)]
        m.d.comb += [
            macs.input.valid.eq(tenants.output.valid),
            macs.input.key.tenant.eq(found.tenant),
            macs.input.key.mac.eq(key_mac),
            flags.lookup.index.eq(found.tenant),
            flags.lookup.enable.eq(tenants.output.valid),
        ]

        # Destination results come one clock behind the source's: the source waits for it in a register.
        findings = Signal(Findings(params))
        source, destination = findings.source, findings.destination
        result_mac = delayed("mac_to_result", key_mac, mac_done)
        result_found = delayed("tenant_to_result", found, mac_done)
        result_flags = delayed("flags_to_result", flags.lookup.data, mac_done + 1 - BLOCK_RAM_LATENCY)
        known = Signal(data.StructLayout({"hit": 1, "tep": ceil_log2(params.teps)}))
        m.d.comb += [known.hit.eq(sources.output.hit), known.tep.eq(sources.output.value)]
        result_source = delayed("tep_to_result", known, tenant_done + mac_done + 1 - sources.LATENCY)
        context = Signal(Context(params))
        m.d.comb += context.port.eq(port)
        for name, _ in Context(params):
            if name != "port":
                m.d.comb += context[name].eq(frame.stored if name == "stored" else header[name])
        result_context = delayed("context", context, tenant_done + mac_done + 2)
        m.d.comb += [
            destination.mac.eq(result_mac),
            destination.tenant_hit.eq(result_found.hit),
            destination.tenant.eq(result_found.tenant),
            destination.hit.eq(macs.output.hit),
            destination.entry.eq(macs.output.entry),
            findings.context.eq(result_context),
            findings.flags.eq(result_flags),
            findings.tep_hit.eq(result_source.hit),
            findings.tep.eq(result_source.tep),
        ]
        m.d.sync += source.eq(destination)

        # One bit per clock of latency tells which clocks carry the end of a frame.
        stages = tenant_done + mac_done + 2
        flight = Signal(stages)
        m.d.sync += flight.eq((flight << 1) | enter)
        m.d.comb += [
            verdicts.input.valid.eq(flight[-1]),
            verdicts.input.findings.eq(findings),
            macs.learn.valid.eq(verdicts.learn.valid),
            macs.learn.payload.eq(verdicts.learn.source),
            # Past the queue while it is empty.
            queue.w_en.eq(verdicts.output.valid & (queue.r_rdy | ~self.verdict.ready)),
            queue.w_data.eq(verdicts.output.verdict),
            self.verdict.valid.eq(queue.r_rdy | verdicts.output.valid),
            self.verdict.payload.eq(Mux(queue.r_rdy, queue.r_data, verdicts.output.verdict)),
            queue.r_en.eq(self.verdict.ready),
        ]
        for index, mtu in enumerate(self.mtu):
            m.d.comb += verdicts.mtu[index].eq(mtu)
        return m
