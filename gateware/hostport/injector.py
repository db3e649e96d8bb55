"""From the mailbox to a port."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..egress.fifo import CreditFifo
from ..packet import PacketSignature
from ..params import Params
from ..tables.memory import BLOCK_RAM_LATENCY
from .format import InjectCommand
from .mailbox import RowRead

__all__ = ["Injector"]


class Injector(wiring.Component):
    """Sends the frame in the mailbox out of one port, unchanged and without a gap.

    ``command``   see :class:`InjectCommand`; the host changes it only while ``done`` equals its number.
    ``done``      number of the last command that is done: the mailbox may be written again.
    ``read``      the frame; a row per clock while the port takes them.
    ``output``    per port.
    ``busy``      a frame is on its way.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "command": In(InjectCommand),
                "done": Out(8),
                "read": Out(RowRead(params)),
                "output": Out(PacketSignature(params.width)).array(params.ports),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        command = self.command
        octets = params.word_bytes
        m.submodules.fifo = fifo = CreditFifo(params.width)
        word = fifo.output

        rows = Signal(15 - ceil_log2(octets))  # still to read
        more = Signal()  # there are some
        left = Signal(14)  # octets still to send
        last = Signal()
        nothing = Signal()  # the command means no frame, or no port
        chosen = Signal(params.ports)
        m.d.comb += [
            self.busy.eq(command.number != self.done),
            self.read.en.eq(more & fifo.has_room),
            fifo.reserve.eq(self.read.en),
            fifo.data.eq(self.read.data),
        ]
        comes = self.read.en
        for stage in range(BLOCK_RAM_LATENCY):
            delayed = Signal(name=f"comes{stage}")
            m.d.sync += delayed.eq(comes)
            comes = delayed
        m.d.comb += fifo.write.eq(comes)
        with m.If(self.read.en):
            m.d.sync += [rows.eq(rows - 1), more.eq(rows != 1), self.read.row.eq(self.read.row + 1)]

        for port, output in enumerate(self.output):
            m.d.comb += [
                output.valid.eq(word.valid & chosen[port]),
                output.payload.data.eq(word.payload),
                output.payload.count.eq(Mux(last, left, octets)),
                output.payload.last.eq(last),
            ]
        # No word waits but while its frame is sent: the state need not be asked.
        taken = (Cat(output.ready for output in self.output) & chosen).any() & word.valid
        m.d.comb += word.ready.eq(taken)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [
                    self.read.row.eq(0),
                    rows.eq((command.length + (octets - 1)) >> ceil_log2(octets)),
                    left.eq(command.length),
                    chosen.eq(1 << command.port),
                    nothing.eq((command.length == 0) | (command.port >= params.ports)),
                ]
                with m.If(self.busy):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += [more.eq(~nothing), last.eq(left <= octets)]
                m.next = "SEND"
                with m.If(nothing):
                    m.next = "END"
            with m.State("SEND"):
                with m.If(taken):
                    m.d.sync += [left.eq(left - octets), last.eq(left <= 2 * octets)]
                    with m.If(last):
                        m.next = "END"
            with m.State("END"):
                m.d.sync += self.done.eq(command.number)
                m.next = "IDLE"
        return m
