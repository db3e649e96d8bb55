"""From packet memory to the ring that the host reads."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..memory.ports import ReadPort
from ..params import Params
from .format import PUNT_HEADER_BYTES, PuntHeader, Reason, RingPointer, Time
from .mailbox import RowWrite

__all__ = ["Copier", "Punted"]


class Punted(data.StructLayout):
    """A reference to a stored frame for the host."""

    def __init__(self, params: Params):
        super().__init__(
            {
                "head": params.cell_bits,
                "length": 14,  # octets
                "port": 4,  # it came in on
                "reason": Reason,
                "is_sample": 1,
                "time": Time,
            }
        )


class Copier(wiring.Component):
    """Copies the beginnings of frames into the ring, one after the other, and gives up their references.

    A frame for which the ring has no room is given up at once: packet memory never waits for the host. Samples are
    refused already when less than a quarter of the ring is free, which keeps room for what is not only statistics.

    A word takes four clocks while no port reads.

    Members
    -------
    frames
        Stream of :class:`Punted`.
    snap
        Octets to copy of each frame at most.
    read, release
        As an egress port has them.
    write
        Into the ring; never waits.
    consumed, produced
        The ring between them holds frames for the host. Rows are whole words of the datapath; a frame is its
        :class:`PuntHeader`, then its octets, both in whole rows.
    punted, lost
        Strobes: a frame is in the ring; or found no room there.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "frames": In(stream.Signature(Punted(params))),
                "snap": In(14),
                "read": Out(ReadPort(params)),
                "release": Out(stream.Signature(params.cell_bits)),
                "write": Out(RowWrite(params)),
                "consumed": In(RingPointer(params)),
                "produced": Out(RingPointer(params)),
                "punted": Out(1),
                "lost": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        frame = self.frames.payload
        octets = params.word_bytes
        ring = params.ring_rows
        header_rows = -(-PUNT_HEADER_BYTES // octets)

        captured = Signal(14)
        left = Signal(15 - ceil_log2(octets))  # rows of the frame still to copy
        at = Signal(RingPointer(params))  # the row to write next
        free = Signal(range(ring + 1))
        enough = Signal()
        header = Signal(PuntHeader)
        part = Signal(range(max(2, header_rows)))  # of the header
        m.d.comb += [
            *(header[name].eq(frame[name]) for name in ("length", "port", "reason", "time")),
            header.captured.eq(captured),
            self.read.request.payload.cell.eq(self._cell(m)),
            self.release.payload.eq(frame.head),
        ]
        behind = at.row - self.consumed.row
        m.d.sync += free.eq(ring - behind - Mux(at.lap == self.consumed.lap, 0, ring))
        # Registered: the RAM's write port is far from what decides.
        put = Signal()
        word = Signal(params.width)
        m.d.sync += [self.write.en.eq(put), self.write.row.eq(at.row), self.write.data.eq(word)]
        with m.If(put):
            m.d.sync += at.row.eq(at.row + 1)
            with m.If(at.row == ring - 1):
                m.d.sync += [at.row.eq(0), at.lap.eq(~at.lap)]

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += captured.eq(Mux(frame.length < self.snap, frame.length, self.snap))
                with m.If(self.frames.valid):
                    m.next = "MEASURE"
            with m.State("MEASURE"):
                m.d.sync += [left.eq((captured + (octets - 1)) >> ceil_log2(octets)), part.eq(0)]
                m.next = "COMPARE"
            with m.State("COMPARE"):
                m.d.sync += enough.eq((left + header_rows <= free) & (~frame.is_sample | (free >= ring // 4)))
                m.next = "DECIDE"
            with m.State("DECIDE"):
                m.d.comb += [self.punted.eq(enough), self.lost.eq(~enough)]
                m.next = "RELEASE"
                with m.If(enough):
                    m.next = "HEADER"
            with m.State("HEADER"):
                whole = Cat(header, Const(0, header_rows * params.width - len(header.as_value())))
                m.d.comb += [put.eq(1), word.eq(whole.word_select(part, params.width))]
                m.d.sync += part.eq(part + 1)
                with m.If(part == header_rows - 1):
                    m.next = "REQUEST"
            with m.State("REQUEST"):
                with m.If(left == 0):
                    m.d.sync += self.produced.eq(at)
                    m.next = "RELEASE"
                with m.Else():
                    m.d.comb += self.read.request.valid.eq(1)
                    with m.If(self.read.request.ready):
                        m.next = "RESPONSE"
            with m.State("RESPONSE"):
                m.d.comb += [put.eq(self.read.valid), word.eq(self.read.data)]
                with m.If(self.read.valid):
                    m.d.sync += left.eq(left - 1)
                    m.next = "REQUEST"
            with m.State("RELEASE"):
                m.d.comb += [self.release.valid.eq(1), self.frames.ready.eq(self.release.ready)]
                with m.If(self.release.ready):
                    m.next = "IDLE"
        return m

    def _cell(self, m: Module) -> Signal:
        """The cell to read, and ``read.request.payload.word`` beside it: they follow the frame as it is read."""
        word = self.read.request.payload.word
        cell = Signal(self.params.cell_bits)
        with m.If(self.punted):
            m.d.sync += [cell.eq(self.frames.payload.head), word.eq(0)]
        with m.Elif(self.read.valid):
            m.d.sync += word.eq(word + 1)
            with m.If(word == self.params.cell_words - 1):
                m.d.sync += [word.eq(0), cell.eq(self.read.next_cell)]
        return cell
