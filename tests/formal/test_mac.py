# amaranth: UnusedElaboratable=no
"""Proofs about the MAC's transmitter and converters of widths."""

import pytest
from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal
from amaranth.lib.wiring import Component, In
from opentep.gateware.mac.frame import GAP, PREAMBLE_OCTETS
from opentep.gateware.mac.transmitter import Transmitter
from opentep.gateware.mac.width import Narrower, Widener
from opentep.sim.formal import ProofError, prove


class TransmitterContract(Component):
    """Whatever comes and whenever: packets are ``gap`` octets apart and longer than preamble and SFD, TX_ER is only
    within them, and nothing changes without ``enable``. (What octets they are is left to tests: the FCS is too much
    for the solver.)"""

    def __init__(self, gap: int = GAP, *, always: bool = False):
        self.gap = gap
        self.always = always  # an octet per clock
        super().__init__({"enable": In(1), "offer": In(1), "octet": In(8), "last": In(1), "error": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Transmitter()
        gmii, frame = dut.gmii, dut.input
        if self.always:
            m.d.comb += Assume(self.enable)
        m.d.comb += [
            gmii.enable.eq(self.enable),
            frame.valid.eq(self.offer),
            frame.payload.data.eq(self.octet),
            frame.payload.count.eq(1),
            frame.payload.last.eq(self.last),
            frame.payload.error.eq(self.error),
        ]
        idle = Signal(range(self.gap + 1), init=self.gap)  # octet times since the last packet
        position = Signal(range(PREAMBLE_OCTETS + 2))  # in it
        with m.If(self.enable):
            with m.If(gmii.valid):
                m.d.sync += [idle.eq(0), position.eq(Mux(position > PREAMBLE_OCTETS, position, position + 1))]
            with m.Else():
                m.d.sync += [idle.eq(Mux(idle == self.gap, idle, idle + 1)), position.eq(0)]
            with m.If(gmii.valid):
                m.d.comb += Assert((position != 0) | (idle == self.gap))
            with m.Else():
                m.d.comb += Assert((position == 0) | (position > PREAMBLE_OCTETS))
        m.d.comb += Assert(gmii.valid | ~gmii.error)
        lines = Cat(gmii.valid, gmii.error)
        before = Signal.like(lines)
        held = Signal()
        m.d.sync += [before.eq(lines), held.eq(~self.enable)]
        m.d.comb += Assert(~held | (lines == before))
        packets = Signal(2)
        with m.If(self.enable & gmii.valid & (position == 0)):
            m.d.sync += packets.eq(packets + 1)
        m.d.comb += Cover(packets == 2)
        return m


DEPTH = 30
"""Clocks in which a packet goes out whose octets came too late, then the gap and the beginning of the next one."""


def test_transmitter():
    prove(TransmitterContract(always=True), depth=DEPTH)
    prove(TransmitterContract(always=True), depth=DEPTH, mode="cover")


def test_transmitter_below_line_rate():
    prove(TransmitterContract(), depth=15)


def test_a_longer_gap_is_refused():
    with pytest.raises(ProofError, match="Assert failed"):
        prove(TransmitterContract(gap=GAP + 1, always=True), depth=DEPTH)


class WidthContract(Component):
    """Octets that went in come out, in order, each once; words that are not the last of their frame are full.

    Every octet carries its running number, every frame ends where the solver wants.
    """

    def __init__(self, dut: Widener | Narrower):
        self.dut = dut
        self.input_octets = len(dut.input.payload.data) // 8
        self.output_octets = len(dut.output.payload.data) // 8
        super().__init__(
            {"offer": In(1), "take": In(1), "last": In(1), "count": In(range(self.input_octets + 1))}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        word, out = dut.input.payload, dut.output.payload
        came, left = Signal(8), Signal(8)
        count = Signal.like(self.count)
        waits = isinstance(dut, Narrower) or dut.waits
        taken = self.offer & dut.input.ready if waits else self.offer
        passed = dut.output.valid & self.take if waits else dut.output.valid
        m.d.comb += [
            Assume((self.count >= 1) & (self.count <= self.input_octets)),
            count.eq(Mux(self.last, self.count, self.input_octets)),
            dut.input.valid.eq(self.offer),
            word.data.eq(Cat((came + n)[:8] for n in range(self.input_octets))),
            word.count.eq(count),
            word.last.eq(self.last),
            word.error.eq(self.last),
            Assert(~dut.output.valid | out.last | (out.count == self.output_octets)),
            Assert(~(dut.output.valid & out.last) | out.error),
            Assert(~dut.output.valid | ((out.count != 0) & (out.count <= self.output_octets))),
        ]
        if waits:
            m.d.comb += dut.output.ready.eq(self.take)
            offered = Signal(2 + len(self.count))
            m.d.sync += offered.eq(Cat(self.offer & ~dut.input.ready, self.last, count))
            with m.If(offered[0]):
                m.d.comb += Assume(Cat(self.offer, self.last, count) == offered)
        for n in range(self.output_octets):
            with m.If(dut.output.valid & (n < out.count)):
                m.d.comb += Assert(out.data.word_select(n, 8) == (left + n)[:8])
        with m.If(taken):
            m.d.sync += came.eq(came + count)
        with m.If(passed):
            m.d.sync += left.eq(left + out.count)
        ended = Signal()  # nothing of the frames that came is inside but what is at the output
        with m.If(taken):
            m.d.sync += ended.eq(self.last)
        if not waits:
            with m.If(ended & ~dut.output.valid):
                m.d.comb += Assert(came == left)
        m.d.comb += Cover(passed & out.last & (left > self.input_octets + self.output_octets))
        return m


@pytest.mark.parametrize(
    "make",
    [lambda: Widener(8, 32), lambda: Widener(8, 32, waits=True), lambda: Narrower(32, 8)],
)
def test_widths(make):
    prove(WidthContract(make()), depth=8)
    prove(WidthContract(make()), depth=8, mode="cover")
