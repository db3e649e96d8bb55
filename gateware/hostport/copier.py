"""From packet memory to the ring that the host reads."""

from amaranth.hdl import Array, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..memory.ports import ReadPort
from ..params import Params
from .event_queue import QueuedEvent
from .format import MAC_RECORD_BYTES, MacRecord, PuntHeader, Reason, RingPointer, Time
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
    """Copies the beginnings of frames into the ring, one after the other, and gives up their references; writes events
    between them.

    A frame for which the ring has no room is given up at once: packet memory never waits for the host. Samples are
    refused already when less than a quarter of the ring is free, which keeps room for what is not only statistics.
    Events wait until as much is free.

    A word of a frame takes four clocks while no port reads, what is around them some ten per frame. An event takes a
    clock per row and three more, and nothing but the ring.

    Members
    -------
    frames
        Stream of :class:`Punted`.
    snap
        Octets to copy of each frame at most.
    events, listening
        Stream of :class:`QueuedEvent`; while nobody listens they are thrown away.
    read, release
        As an egress port has them.
    write
        Into the ring; never waits.
    consumed, produced
        The ring between them holds frames for the host. Rows are whole words of the datapath; a frame is its
        :class:`PuntHeader`, then its octets, both in whole rows; an event is a header, then a :class:`MacRecord`.
    punted, lost
        Strobes: a frame is in the ring; or found no room there.
    busy
        An event is being written, or about to be. (Frames occupy packet memory.)
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "frames": In(stream.Signature(Punted(params))),
                "snap": In(14),
                "events": In(stream.Signature(QueuedEvent(params))),
                "listening": In(1),
                "read": Out(ReadPort(params)),
                "release": Out(stream.Signature(params.cell_bits)),
                "write": Out(RowWrite(params)),
                "consumed": In(RingPointer(params)),
                "produced": Out(RingPointer(params)),
                "punted": Out(1),
                "lost": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        frame, event = self.frames.payload, self.events.payload
        octets = params.word_bytes
        ring = params.ring_rows

        captured = Signal(14)
        left = Signal(15 - ceil_log2(octets))  # rows of the frame still to copy
        needed = Signal(len(left) + 1)  # with those of the header
        # To packet memory from registers: many ask there.
        asks = Signal()
        gives_up = Signal()
        at = Signal(RingPointer(params))  # the row to write next
        free = Signal(range(ring + 1))
        roomy = Signal()
        enough = Signal()
        is_event = Signal()
        header = Signal(PuntHeader)
        record = Signal(MacRecord)
        m.d.comb += [
            *(record[name].eq(event[name]) for name in ("mac", "tenant", "change", "kind", "id")),
            header.length.eq(Mux(is_event, MAC_RECORD_BYTES, frame.length)),
            header.captured.eq(captured),
            header.port.eq(Mux(is_event, event.port, frame.port)),
            header.reason.eq(Mux(is_event, Reason.MAC_EVENT, frame.reason)),
            header.time.eq(Mux(is_event, event.time, frame.time)),
            self.read.request.payload.cell.eq(self._cell(m)),
            self.read.request.valid.eq(asks),
            self.release.payload.eq(frame.head),
            self.release.valid.eq(gives_up),
        ]
        behind = at.row - self.consumed.row
        m.d.sync += [
            free.eq(ring - behind - Mux(at.lap == self.consumed.lap, 0, ring)),
            roomy.eq(free >= ring // 4),
        ]
        # A row of the header is chosen in one clock and written in the next: it comes from two queues.
        header_rows = _rows(header, params.width)
        event_rows = header_rows + _rows(record, params.width)
        part = Signal(range(len(event_rows)))
        chooses = Signal()
        chosen = Signal()
        row = Signal(params.width)
        m.d.sync += [chosen.eq(chooses), row.eq(Array(event_rows)[part])]
        # Registered: the RAM's write port is far from what decides.
        put = Signal()
        word = Signal(params.width)
        m.d.comb += [put.eq(chosen | self.read.valid), word.eq(Mux(chosen, row, self.read.data))]
        m.d.sync += [self.write.en.eq(put), self.write.row.eq(at.row), self.write.data.eq(word)]
        with m.If(put):
            m.d.sync += at.row.eq(at.row + 1)
            with m.If(at.row == ring - 1):
                m.d.sync += [at.row.eq(0), at.lap.eq(~at.lap)]

        # They are late by no more than an event: a quarter of the ring has room for another one all the same.
        tells = Signal()
        # Both of the same clock: who begins to listen gets no event by way of not having listened.
        listened = Signal()
        m.d.sync += [tells.eq(roomy | ~self.listening), listened.eq(self.listening)]
        m.d.comb += self.busy.eq(self.events.valid & tells)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [
                    self.produced.eq(at),
                    is_event.eq(0),
                    captured.eq(Mux(frame.length < self.snap, frame.length, self.snap)),
                    part.eq(0),
                ]
                with m.If(self.events.valid & tells):
                    m.d.sync += [is_event.eq(1), captured.eq(MAC_RECORD_BYTES)]
                    m.next = "FORGET"
                    with m.If(listened):
                        m.next = "HEADER"
                with m.Elif(self.frames.valid):
                    m.next = "MEASURE"
            with m.State("MEASURE"):
                m.d.sync += left.eq((captured + (octets - 1)) >> ceil_log2(octets))
                m.next = "ADD"
            with m.State("ADD"):
                m.d.sync += needed.eq(left + len(header_rows))
                m.next = "COMPARE"
            with m.State("COMPARE"):
                m.d.sync += enough.eq((needed <= free) & (~frame.is_sample | roomy))
                m.next = "DECIDE"
            with m.State("DECIDE"):
                m.d.comb += [self.punted.eq(enough), self.lost.eq(~enough)]
                m.next = "RELEASE"
                with m.If(enough):
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += chooses.eq(1)
                m.d.sync += part.eq(part + 1)
                with m.If(is_event & (part == len(event_rows) - 1)):
                    m.next = "FORGET"
                with m.If(~is_event & (part == len(header_rows) - 1)):
                    m.d.sync += asks.eq(left != 0)
                    m.next = "REQUEST"
            with m.State("FORGET"):
                m.d.comb += self.events.ready.eq(1)
                m.next = "IDLE"
            with m.State("REQUEST"):
                with m.If(~asks):
                    m.next = "RELEASE"
                with m.Elif(self.read.request.ready):
                    m.d.sync += asks.eq(0)
                    m.next = "RESPONSE"
            with m.State("RESPONSE"):
                with m.If(self.read.valid):
                    m.d.sync += [left.eq(left - 1), asks.eq(left != 1)]
                    m.next = "REQUEST"
            with m.State("RELEASE"):
                m.d.sync += gives_up.eq(1)
                with m.If(gives_up & self.release.ready):
                    m.d.sync += gives_up.eq(0)
                    m.next = "NEXT"
            with m.State("NEXT"):
                m.d.comb += self.frames.ready.eq(1)
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


def _rows(record: data.View, width: int) -> list[Value]:
    """``record`` in whole rows of ``width`` bits."""
    bits = record.as_value()
    return [bits[start : start + width] for start in range(0, len(bits), width)]
