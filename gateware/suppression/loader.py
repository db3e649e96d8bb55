"""A stored frame as a row of 16-bit units."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..headers import TAG_BYTES
from ..ingress.fields import UNIT_BYTES
from ..memory.ports import ReadPort
from ..params import CELL_BYTES, Params

__all__ = ["UNITS", "Loader", "Unit"]

UNITS = CELL_BYTES // UNIT_BYTES
"""Of a frame in one cell."""
_TAG_UNIT = 6
_TAG_UNITS = TAG_BYTES // UNIT_BYTES


def Unit() -> wiring.Signature:
    """Strobe: unit ``number`` of a frame is ``value``, the first octet most significant."""
    return wiring.Signature({"valid": Out(1), "number": Out(range(UNITS)), "value": Out(16)})


class Loader(wiring.Component):
    """Reads a frame of one cell, word by word, and tells its units in order, without its tag.

    Members
    -------
    start
        Strobe: read the frame in cell ``head``. It and the two below stay until ``done``.
    tagged, end
        The frame has a tag; behind its last octet, which is left out if it is half a unit.
    read
        As others have it.
    unit
        One per clock at most.
    done
        Strobe, with the last unit.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "start": In(1),
                "head": In(params.cell_bits),
                "tagged": In(1),
                "end": In(ceil_log2(CELL_BYTES)),
                "read": Out(ReadPort(params)),
                "unit": Out(Unit()),
                "done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        per_word = self.params.word_bytes // UNIT_BYTES
        request = self.read.request
        word = Signal(self.params.width)
        at = Signal(range(UNITS))  # of the stored frame
        is_last = Signal()
        is_tag = self.tagged & ((at >> 1) == _TAG_UNIT // _TAG_UNITS)
        m.d.comb += [
            request.payload.cell.eq(self.head),
            request.payload.word.eq(at[ceil_log2(per_word) :]),
            self.unit.value.eq(Cat(word[8:16], word[:8])),
            is_last.eq(at + 1 == self.end >> 1),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [at.eq(0), self.unit.number.eq(0)]
                with m.If(self.start):
                    m.next = "REQUEST"
            with m.State("REQUEST"):
                m.d.comb += request.valid.eq(1)
                with m.If(request.ready):
                    m.next = "RESPONSE"
            with m.State("RESPONSE"):
                m.d.sync += word.eq(self.read.data)
                with m.If(self.read.valid):
                    m.next = "UNITS"
            with m.State("UNITS"):
                m.d.comb += [self.unit.valid.eq(~is_tag), self.done.eq(is_last)]
                m.d.sync += [
                    word.eq(word >> 16),
                    at.eq(at + 1),
                    self.unit.number.eq(self.unit.number + ~is_tag),
                ]
                with m.If(is_last):
                    m.next = "IDLE"
                with m.Elif((at + 1)[: ceil_log2(per_word)] == 0):
                    m.next = "REQUEST"
        return m


assert _TAG_UNIT % _TAG_UNITS == 0
