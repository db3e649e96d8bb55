"""Outer headers: one per remote TEP."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..headers import FUNCTION_BITS, OUTER_BYTES, TAG_BYTES, Encapsulation
from ..params import CELL_BYTES, Params
from ..tables.bus import WORD_BITS, WordBus
from ..tables.memory import BLOCK_RAM_LATENCY, BlockRAM
from .fifo import FIFO_DEPTH, CreditFifo
from .program import Encapsulating
from .tables import OUTER_ENTRY_BYTES, OuterHeader

__all__ = ["OuterJob", "OuterTable"]

_CLASS_OCTET = 14
"""Where version, traffic class, flow label and then the payload length begin."""
_FUNCTION_OCTET = OUTER_BYTES - FUNCTION_BITS // 8


class OuterJob(data.StructLayout):
    """A header to send, for octets ``start`` to ``end`` - 1 of a stored frame: the IPv6 packet holds these without a
    tag, and what the ``program`` puts in front."""

    def __init__(self, params: Params):
        super().__init__(
            {
                "tep": ceil_log2(params.teps),
                "traffic_class": 8,
                "flow": 20,
                "network": 24,
                "sid_function": 1,
                "start": ceil_log2(CELL_BYTES),
                "end": 14,
                "program": Encapsulating,
            }
        )


class OuterTable(wiring.Component):
    """Delivers the outer header of a remote TEP as words, the last one with 2, 6 or more octets of it.

    The first word is at the output 4 clocks after the job was accepted, if the FIFO behind has room for a
    whole header; all words then follow clock by clock.

    A header is read from the RAM in one go. What the host writes waits in a RAM of one entry until its last
    word has come, and is then copied in one go; it and the host's reads start only between headers, the copy
    before and reads after a header that waits: a header never mixes two entries, the host waits for one header
    at most, a header for one copy.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "bus": In(WordBus(OuterHeader, params.teps)),
                "job": In(stream.Signature(OuterJob(params))),
                "words": Out(stream.Signature(params.width)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        bus = self.bus
        octets = params.word_bytes
        rows = -(-OUTER_BYTES // octets)
        assert rows <= FIFO_DEPTH
        entry_rows = OUTER_ENTRY_BYTES // octets
        row_bits = ceil_log2(entry_rows)
        lanes = params.width // WORD_BITS  # words of the host per row
        lane_bits = ceil_log2(lanes)

        m.submodules.ram = ram = BlockRAM(params.width, params.teps << row_bits)
        m.submodules.fifo = fifo = CreditFifo(params.width)
        wiring.connect(m, fifo.output, wiring.flipped(self.words))

        # The entry that the host is writing.
        m.submodules.staged = staged = Memory(shape=params.width, depth=entry_rows, init=[])
        stage = staged.write_port(granularity=WORD_BITS)
        copy = staged.read_port(domain="comb")
        m.d.comb += [
            stage.addr.eq(bus.word >> lane_bits),
            stage.data.eq(bus.w_data.replicate(lanes)),
            stage.en.eq(bus.w_stb << bus.word[:lane_bits]),
        ]

        pending = Signal()
        has_room = Signal()
        job = Signal(OuterJob(params))
        copy_pending = Signal()
        read_pending = Signal()
        m.d.sync += [
            # Room becomes less only by what is sent, and the next job comes later than that shows.
            has_room.eq(fifo.room >= rows),
            bus.done.eq(0),
        ]
        with m.If(bus.w_stb):
            with m.If(bus.word == OUTER_ENTRY_BYTES * 8 // WORD_BITS - 1):
                m.d.sync += copy_pending.eq(1)
            with m.Else():
                m.d.sync += bus.done.eq(1)
        with m.If(bus.r_stb):
            m.d.sync += read_pending.eq(1)

        # One row per clock, of one of the three at a time.
        row = Signal(range(max(2, entry_rows)))
        sending = Signal()
        copying = Signal()
        reading = Signal()  # one row
        last_row = Signal()
        with m.FSM():
            with m.State("IDLE"):
                with m.If(copy_pending):
                    m.next = "COPY"
                # The row written last is a clock behind.
                with m.Elif(pending & has_room & ~ram.w_en):
                    m.d.comb += sending.eq(1)
                    if rows > 1:
                        m.next = "SEND"
                with m.Elif(read_pending & ~ram.w_en):
                    m.next = "READ"
            if rows > 1:
                with m.State("SEND"):
                    m.d.comb += sending.eq(1)
                    with m.If(last_row):
                        m.next = "IDLE"
            with m.State("READ"):
                m.d.comb += reading.eq(1)
                m.d.sync += read_pending.eq(0)
                m.next = "IDLE"
            with m.State("COPY"):
                m.d.comb += copying.eq(1)
                with m.If(row == entry_rows - 1):
                    m.d.sync += [copy_pending.eq(0), bus.done.eq(1)]
                    m.next = "IDLE"
        m.d.comb += last_row.eq(row == rows - 1)
        with m.If(sending | copying):
            m.d.sync += row.eq(row + 1)
        with m.If(sending & last_row if entry_rows > 1 else True):
            m.d.sync += row.eq(0)

        def address(entry, row):
            return Cat(row[:row_bits], entry) if row_bits else entry

        m.d.comb += [
            ram.r_addr.eq(
                Mux(reading, address(bus.index, bus.word >> lane_bits), address(job.tep, row)),
            ),
            copy.addr.eq(row),
        ]
        m.d.sync += [
            ram.w_en.eq(copying),
            ram.w_addr.eq(address(bus.index, row)),
            ram.w_data.eq(copy.data),
        ]

        # The job stays until its last row has been filled in.
        # Its length is known by the time of the first row.
        stored = Signal(14)
        adjustment = Signal(signed(6))
        with m.Switch(job.program.encapsulation):
            for kind in Encapsulation:
                with m.Case(kind):
                    m.d.comb += adjustment.eq(
                        Mux(job.program.tagged, kind.overhead - TAG_BYTES, kind.overhead)
                    )
        length = Signal(14)
        m.d.sync += [
            stored.eq(job.end - job.start),
            length.eq(stored + adjustment),
        ]
        fills = self._fields(job, length)
        comes = Cat(sending, reading, *(sending & (row == index) for index in fills))
        for stage in range(BLOCK_RAM_LATENCY):
            delayed = Signal(len(comes), name=f"comes{stage}")
            m.d.sync += delayed.eq(comes)
            comes = delayed
            if stage == 0:
                just_sent = delayed[0]
        m.d.comb += self.job.ready.eq(~pending & ~just_sent)
        with m.If(self.job.ready):
            m.d.sync += [pending.eq(self.job.valid), job.eq(self.job.payload)]
        with m.Elif(sending & last_row):
            m.d.sync += pending.eq(0)

        word = ram.r_data
        for here, octets_here in zip(comes[2:], fills.values(), strict=True):
            word = word | Mux(here, octets_here, 0)
        m.d.comb += [
            fifo.reserve.eq(sending),
            fifo.write.eq(comes[0]),
            fifo.data.eq(word),
        ]
        with m.If(comes[1]):
            m.d.sync += [
                bus.r_data.eq(ram.r_data.word_select(bus.word[:lane_bits], WORD_BITS)),
                bus.done.eq(1),
            ]
        return m

    def _fields(self, job, length) -> dict[int, Value]:
        """The octets that depend on the frame, by row; all others are 0."""
        first = Cat(length, Const(0, 2), job.flow, job.traffic_class, Const(0, 4))
        function = Mux(job.sid_function, job.network, 0)
        octets = [Const(0, 8)] * OUTER_ENTRY_BYTES
        touched = set()
        width = self.params.word_bytes
        for offset, number in ((_CLASS_OCTET, first), (_FUNCTION_OCTET, function)):
            count = len(number) // 8
            octets[offset : offset + count] = [number.word_select(k, 8) for k in reversed(range(count))]
            touched |= {octet // width for octet in range(offset, offset + count)}
        return {row: Cat(octets[row * width : (row + 1) * width]) for row in sorted(touched)}
