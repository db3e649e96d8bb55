"""Read access of all that takes frames out."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, Signature

from ..arbiter import StreamArbiter
from ..params import Params
from ..tables.memory import BLOCK_RAM_LATENCY
from .links import LinkRead
from .ports import READ_LATENCY, ReadPort, ReadRequest

__all__ = ["Reader"]


class Reader(wiring.Component):
    """Arbitrate the ports' read requests, word by word, in round-robin order; the host has the clocks in which no port
    asks. A frame must leave its port without a gap, but the host can wait, and what ports may read at most leaves gaps:
    those between frames on their wires.

    One word per clock. Nothing behind the arbiter waits, so that the answer comes ``READ_LATENCY`` clocks
    after the request was accepted.

    Members
    -------
    read : In(ReadPort(params)).array(readers)
    ram : Out({addr, data})
        Read port of the data memory; address is {cell, word}, ``data`` follows ``BLOCK_RAM_LATENCY`` clocks
        later.
    links : Out(LinkRead(cells))
    """

    def __init__(self, params: Params):
        self.params = params
        words = params.cells * params.cell_words
        super().__init__(
            {
                "read": In(ReadPort(params)).array(params.readers),
                "ram": Out(Signature({"addr": Out(range(words)), "data": In(params.width)})),
                "links": Out(LinkRead(params.cells)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        readers = self.params.readers
        m.submodules.arbiter = arbiter = StreamArbiter(ReadRequest(self.params), readers)
        chosen = arbiter.output
        m.d.comb += [
            chosen.ready.eq(1),
            self.ram.addr.eq(Cat(chosen.payload.data.word, chosen.payload.data.cell)),
            self.links.cell.eq(chosen.payload.data.cell),
        ]
        # Whose answer comes: as many registers as there are from acceptance to the RAM's output.
        whose = Cat(read.request.valid & read.request.ready for read in self.read)
        for stage in range(READ_LATENCY):
            delayed = Signal(readers, name=f"whose{stage}")
            m.d.sync += delayed.eq(whose)
            whose = delayed
        *ports, host = zip(self.read, arbiter.inputs, strict=True)
        for read, channel in ports:
            wiring.connect(m, wiring.flipped(read.request), channel)
        read, channel = host
        idle = ~Cat(read.request.valid for read, _ in ports).any()
        m.d.comb += [
            channel.payload.eq(read.request.payload),
            channel.valid.eq(read.request.valid & idle),
            read.request.ready.eq(idle),
        ]
        for number, read in enumerate(self.read):
            m.d.comb += [
                read.valid.eq(whose[number]),
                read.data.eq(self.ram.data),
                read.next_cell.eq(self.links.next_cell),
            ]
        return m


assert READ_LATENCY == BLOCK_RAM_LATENCY + 1, "the arbiter's register, then the RAM"
