"""Outer headers: one per remote TEP."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..headers import OUTER_BYTES
from ..params import Params
from ..tables.bus import TableBus
from ..tables.memory import BLOCK_RAM_LATENCY, BlockRAM
from .fifo import FIFO_DEPTH, CreditFifo
from .tables import OUTER_ENTRY_BYTES, OuterHeader

__all__ = ["OuterJob", "OuterTable"]

_CLASS_OCTET = 14
"""Where version, traffic class, flow label and then the payload length begin."""


class OuterJob(data.StructLayout):
    """A header to send. ``length`` is the IPv6 payload length."""

    def __init__(self, params: Params):
        super().__init__({"tep": ceil_log2(params.teps), "traffic_class": 8, "flow": 20, "length": 14})


class OuterTable(wiring.Component):
    """Delivers the outer header of a remote TEP as words, the last one with 2, 6 or more octets of it.

    The first word is at the output 4 clocks after the job was accepted, if the FIFO behind has room for a
    whole header; all words then follow clock by clock.

    A header is read from the RAM in one go. The host's writes and reads take as long as that and start only
    between headers, writes before and reads after a header that waits: a header never mixes two entries, the
    host waits for one header at most, a header for one write.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "bus": In(TableBus(OuterHeader, params.teps)),
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
        row_bits = ceil_log2(OUTER_ENTRY_BYTES // octets)

        m.submodules.ram = ram = BlockRAM(params.width, params.teps << row_bits)
        m.submodules.fifo = fifo = CreditFifo(params.width)
        wiring.connect(m, fifo.output, wiring.flipped(self.words))

        pending = Signal()
        job = Signal(OuterJob(params))
        write_pending = Signal()
        read_pending = Signal()
        with m.If(bus.w_stb):
            m.d.sync += write_pending.eq(1)
        with m.If(bus.r_stb):
            m.d.sync += read_pending.eq(1)

        # One row per clock, of one of the three at a time.
        row = Signal(range(max(2, rows)))
        last_row = Signal()
        sending = Signal()
        writing = Signal()
        reading = Signal()
        m.d.comb += last_row.eq(row == rows - 1)
        m.d.sync += bus.done.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                header_can = Signal()
                m.d.comb += header_can.eq(pending & (fifo.room >= rows) & ~ram.w_en)
                with m.If(write_pending):
                    m.next = "WRITE"
                with m.Elif(header_can):
                    m.d.comb += sending.eq(1)
                    if rows > 1:
                        m.next = "SEND"
                with m.Elif(read_pending):
                    m.next = "READ"
            if rows > 1:
                with m.State("SEND"):
                    m.d.comb += sending.eq(1)
                    with m.If(last_row):
                        m.next = "IDLE"
            with m.State("WRITE"):
                m.d.comb += writing.eq(1)
                with m.If(last_row):
                    m.d.sync += [write_pending.eq(0), bus.done.eq(1)]
                    m.next = "IDLE"
            with m.State("READ"):
                m.d.comb += reading.eq(1)
                with m.If(last_row):
                    m.d.sync += read_pending.eq(0)
                    m.next = "IDLE"
        active = sending | writing | reading
        with m.If(active):
            m.d.sync += row.eq(Mux(last_row, 0, row + 1))

        entry = Signal(ceil_log2(params.teps))
        m.d.comb += entry.eq(Mux(reading | writing, bus.index, job.tep))
        address = Cat(row[:row_bits], entry) if row_bits else entry
        # Registered, for the multiplexer is wide. No header's first row follows so soon that it could meet
        # the write.
        unused = Const(0, 8 * (OUTER_ENTRY_BYTES - OUTER_BYTES))
        w_entry = Cat(bus.w_data.as_value()[: 8 * OUTER_BYTES], unused)
        m.d.comb += ram.r_addr.eq(address)
        m.d.sync += [
            ram.w_en.eq(writing),
            ram.w_addr.eq(address),
            ram.w_data.eq(w_entry.word_select(row[:row_bits], params.width)),
        ]

        # The rows come out of the RAM, and where they go.
        comes = {"send": sending, "read": reading, "row": row}
        for stage in range(BLOCK_RAM_LATENCY):
            delayed = {name: Signal(len(value), name=f"{name}{stage}") for name, value in comes.items()}
            m.d.sync += [delayed[name].eq(value) for name, value in comes.items()]
            comes = delayed
            if stage == 0:
                just_sent = delayed["send"]

        # The job stays until its last row has been filled in.
        m.d.comb += self.job.ready.eq(~pending & ~just_sent)
        with m.If(self.job.ready):
            m.d.sync += [pending.eq(self.job.valid), job.eq(self.job.payload)]
        with m.Elif(sending & last_row):
            m.d.sync += pending.eq(0)

        m.d.comb += [
            fifo.reserve.eq(sending),
            fifo.write.eq(comes["send"]),
            fifo.data.eq(ram.r_data | self._filled_in(m, job, comes["row"])),
        ]

        snapshot = Signal(rows * params.width)
        m.d.comb += bus.r_data.as_value().eq(snapshot[: 8 * OUTER_BYTES])
        with m.If(comes["read"]):
            m.d.sync += snapshot.eq(Cat(snapshot[params.width :], ram.r_data))
            with m.If(comes["row"] == rows - 1):
                m.d.sync += bus.done.eq(1)
        return m

    def _filled_in(self, m: Module, job, row):
        """The octets of ``row`` that depend on the frame."""
        number = Cat(job.length, Const(0, 2), job.flow, job.traffic_class, Const(0, 4))
        octets = [Const(0, 8)] * OUTER_ENTRY_BYTES
        octets[_CLASS_OCTET : _CLASS_OCTET + len(number) // 8] = [
            number.word_select(index, 8) for index in reversed(range(len(number) // 8))
        ]
        result = Signal(self.params.width)
        width = self.params.word_bytes
        with m.Switch(row):
            for index in range(OUTER_ENTRY_BYTES // width):
                with m.Case(index):
                    m.d.comb += result.eq(Cat(octets[index * width : (index + 1) * width]))
        return result
