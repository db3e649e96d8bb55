"""Where the decision on a frame meets the frame's end."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from ..arbiter import RoundRobin, one_hot_mux
from ..egress.tables import TepMode
from ..headers import (
    ACCESS_DECISION_DROPS,
    ACCESS_PARSER_DROPS,
    FABRIC_DECISION_DROPS,
    FABRIC_PARSER_DROPS,
    Encapsulation,
    is_discovery,
)
from ..hostport.format import Reason
from ..hostport.interest import Interest, Wish, wish
from ..ingress.port import Frame
from ..params import Params
from ..tables.bus import TableBus
from ..tables.lut import LutTable
from ..tables.mac_entry import MacLearn
from .decision import Coming, Decided, Decision
from .verdict import (
    DecisionFacts,
    HeaderFacts,
    Judged,
    Verdict,
    VerdictRules,
    decision_facts,
    header_facts,
)
from .ways import TepWays

__all__ = ["UNDER_WAY", "Join"]

_NARROW = 128
"""Width of the widest datapath on which every frame is more than three words: who takes verdicts is not asked in the
clock in which the next one could come."""
UNDER_WAY = 16
"""Frames of a port between admission and verdict: the depth of ECP5's distributed RAM, and more than packet memory
accepts of a port at a time."""
_ANY_DECISION_DROPS = dict.fromkeys((*ACCESS_DECISION_DROPS, *FABRIC_DECISION_DROPS))
"""Each once."""


class _Queued(data.StructLayout):
    def __init__(self, params: Params):
        ways = {"ways": TepWays(params)} if params.has_ways else {}
        super().__init__(
            {
                "decision": Decision(params),
                "facts": DecisionFacts,
                "encapsulation": Encapsulation,
                "wish": Wish,
            }
            | ways
        )


class _Ended(data.StructLayout):
    """What is known of a frame a clock after its end was offered, when it is chosen at the earliest.

    ``fits``  per fabric port, and by how it would be encapsulated: it is short enough.
    ``wish``  of the host, if it is as the header says.
    """

    def __init__(self, params: Params):
        fits = data.ArrayLayout(data.ArrayLayout(1, len(Encapsulation)), params.fabric_ports)
        super().__init__({"fits": fits, "facts": HeaderFacts, "wish": Wish})


class Join(wiring.Component):
    """Keeps the decisions of each port until their frames have ended; then gives the verdicts.

    One verdict per two clocks at most, three with a narrow datapath, in round-robin order of the ports. A verdict is
    out 3 clocks after the frame's end was offered, if its decision came no later than with it.

    Members
    -------
    admitted
        Strobe per port: a decision for one more of its frames will come.
    room
        The port may have one more frame under way; two clocks behind ``admitted``.
    coming, decision
        The decisions, in order per port.
    frames
        Frames that have ended, per port in the order of their decisions.
    verdict
        Stream of :class:`Verdict`.
    interest
        What the host asked for.
    learn
        Sources to learn, no later than the verdict; ``ready`` does not matter, what finds no room is lost.
    mtu
        The largest IPv6 packet that each fabric port takes, in octets.
    modes
        How frames are sent to remote TEPs.
    ways
        On which ports, where there are several fabric ports.
    busy
        Some frame is between admission and verdict.
    """

    def __init__(self, params: Params):
        self.params = params
        ways = {"ways": In(TableBus(TepWays(params), params.teps))} if params.has_ways else {}
        super().__init__(
            {
                "admitted": In(params.ports),
                "room": Out(params.ports, init=-1),
                "coming": In(Coming(params)),
                "decision": In(Decided(params)),
                "frames": In(stream.Signature(Frame(params))).array(params.ports),
                "verdict": Out(stream.Signature(Verdict(params))),
                "learn": Out(stream.Signature(MacLearn(params))),
                "interest": In(Interest(params)),
                "mtu": In(14).array(params.fabric_ports),
                "modes": In(TableBus(TepMode, params.teps)),
                "busy": Out(1),
            }
            | ways
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.choice = choice = RoundRobin(params.ports)
        m.submodules.rules = rules = VerdictRules(params)
        # What is decided on, with the encapsulation that the target gets if it is a remote TEP.
        m.submodules.modes = modes = LutTable(TepMode, params.teps)
        connect(m, flipped(self.modes), modes.bus)
        decided_now = Signal(_Queued(params))
        m.d.comb += [
            modes.index.eq(self.decision.decision.target),
            decided_now.decision.eq(self.decision.decision),
            Value.cast(decided_now.facts).eq(decision_facts(self.decision.decision)),
            decided_now.encapsulation.eq(modes.entry.encapsulation),
            Value.cast(decided_now.wish).eq(
                wish(self.interest, self.decision.decision.drop, _ANY_DECISION_DROPS)
            ),
        ]
        if params.has_ways:
            m.submodules.ways = ways = LutTable(TepWays(params), params.teps)
            connect(m, flipped(self.ways), ways.bus)
            m.d.comb += [ways.index.eq(self.decision.decision.target), decided_now.ways.eq(ways.entry)]

        grant = Signal(params.ports)
        port = Signal(range(max(2, params.ports)))
        decided = Signal(params.ports)
        waiting = Signal(params.ports)
        queues = [
            self._queue(m, index, decided_now, grant[index], decided, waiting)
            for index in range(params.ports)
        ]
        oldest = Signal(_Queued(params))
        m.d.comb += Value.cast(oldest).eq(one_hot_mux(grant, queues))
        encapsulation = Value.cast(oldest.encapsulation)

        # A frame is chosen, goes to `judged` one clock later, and from there to the verdict as soon as that is
        # free. The next one is chosen when two clocks later there is surely a place for it.
        judged = Signal(Judged(params))
        limits = Signal(
            data.ArrayLayout(data.ArrayLayout(signed(15), len(Encapsulation)), params.fabric_ports)
        )
        for by_kind, mtu in zip(limits, self.mtu, strict=True):
            m.d.sync += [by_kind[kind.value].eq(mtu - kind.overhead) for kind in Encapsulation]
        ended = [
            self._ended(m, number, frames.payload.header, limits) for number, frames in enumerate(self.frames)
        ]
        fits = Signal(params.fabric_ports)
        judged_valid = Signal()
        fresh = Signal()  # it has come with this clock
        free = Signal()
        taken = self.verdict.valid & self.verdict.ready
        m.d.comb += [
            free.eq(~self.verdict.valid | (taken if params.width > _NARROW else 0)),
            choice.requests.eq(decided & Cat(frames.valid for frames in self.frames)),
            choice.accept.eq(~grant.any() & ~(judged_valid & ~free)),
        ]
        m.d.sync += [
            grant.eq(choice.grant & choice.accept.replicate(params.ports)),
            port.eq(choice.index),
            fresh.eq(grant.any()),
            self.learn.valid.eq(fresh & rules.learn),  # `judged` stays for two clocks at least
        ]
        with m.If(taken):
            m.d.sync += self.verdict.valid.eq(0)
        with m.If(free):
            m.d.sync += [self.verdict.valid.eq(judged_valid), judged_valid.eq(0)]
        with m.If(grant.any()):
            if params.has_ways:
                m.d.sync += judged.ways.eq(oldest.ways)
            m.d.sync += [
                judged_valid.eq(1),
                judged.port.eq(port),
                judged.decision.eq(oldest.decision),
                judged.decision_facts.eq(oldest.facts),
                judged.decision_wish.eq(oldest.wish),
                judged.header_facts.eq(one_hot_mux(grant, (frame.facts for frame in ended))),
                judged.header_wish.eq(one_hot_mux(grant, (frame.wish for frame in ended))),
                *(
                    one.eq(one_hot_mux(grant, (frame.fits[index][encapsulation] for frame in ended)))
                    for index, one in enumerate(fits)
                ),
                judged.header.eq(one_hot_mux(grant, (frames.payload.header for frames in self.frames))),
                judged.stored.eq(one_hot_mux(grant, (frames.payload.stored for frames in self.frames))),
            ]
        for index, frames in enumerate(self.frames):
            m.d.comb += frames.ready.eq(grant[index])

        with m.If(free):
            m.d.sync += self.verdict.payload.eq(rules.verdict)
        m.d.comb += [
            rules.input.eq(judged),
            rules.interest.eq(self.interest),
            rules.fits.eq(fits),
            self.learn.payload.eq(rules.source),
            self.busy.eq(waiting.any() | judged_valid | self.verdict.valid),
        ]
        return m

    def _ended(self, m: Module, number: int, header: data.View, limits: data.View) -> data.View:
        """Of the frame of port ``number`` that has ended with ``header``: lengths are compared with ``limits``."""
        ended = Signal(_Ended(self.params), name=f"ended_{number}")
        among = FABRIC_PARSER_DROPS if self.params.is_fabric(number) else ACCESS_PARSER_DROPS
        wished = wish(self.interest, header.drop, among)
        if self.params.is_fabric(number):
            wished = Mux(is_discovery(header.control), wish(self.interest, Reason.DISCOVERY), wished)
        m.d.sync += [
            *(
                one.eq(header.packet <= limit)
                for by_kind, limit_by_kind in zip(ended.fits, limits, strict=True)
                for one, limit in zip(by_kind, limit_by_kind, strict=True)
            ),
            Value.cast(ended.facts).eq(header_facts(header)),
            Value.cast(ended.wish).eq(wished),
        ]
        return ended

    def _queue(
        self, m: Module, port: int, comes: data.View, taken: Signal, decided: Signal, waiting: Signal
    ) -> Value:
        """What was decided for one port, in distributed RAM; returns the oldest one."""
        memory = Memory(shape=_Queued(self.params).size, depth=UNDER_WAY, init=[])
        m.submodules[f"decisions_{port}"] = memory
        write, read = memory.write_port(), memory.read_port(domain="comb")
        mine = self.decision.valid & (self.decision.port == port)
        m.d.comb += [write.en.eq(mine), write.data.eq(comes)]
        m.d.sync += [write.addr.eq(write.addr + mine), read.addr.eq(read.addr + taken)]

        # A decision counts from the clock on in which it is written: it is read one clock later at the earliest.
        coming = self.coming.valid & (self.coming.port == port)
        for name, more, some in (
            ("decided", coming, decided[port]),
            ("waiting", self.admitted[port], waiting[port]),
        ):
            count = Signal(range(UNDER_WAY + 1), name=f"{name}_{port}")
            same = more == taken  # what follows does not wait for the sum
            m.d.sync += [
                count.eq(count + more - taken),
                some.eq(Mux(same, count != 0, more | (count != 1))),
            ]
            if name == "waiting":
                m.d.sync += self.room[port].eq(Mux(same, count < UNDER_WAY, taken | (count < UNDER_WAY - 1)))
        return read.data
