"""The descriptors that wait for a port."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..headers import Descriptor
from ..params import Params
from ..tables.memory import BLOCK_RAM_LATENCY, BlockRAM
from .entry import Entry, admit

__all__ = ["Queue"]


class Queue(wiring.Component):
    """FIFO of ``params.queue_depth`` + 1 entries in block RAM.

    An entry that finds the queue empty goes straight to the output register: latency 1 clock. Behind others
    it takes up to 4. The output delivers an entry every third clock at most (every clock while the queue
    runs empty); no frame is shorter than that.
    """

    def __init__(self, params: Params, port: int):
        self.params = params
        self.port = port
        super().__init__(
            {
                "enqueue": In(stream.Signature(Descriptor(params))),
                "output": Out(stream.Signature(Entry(params, port))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        depth = self.params.queue_depth
        layout = Entry(self.params, self.port)
        entry = Signal(layout)
        admit(m, self.params, self.port, entry, self.enqueue.payload)

        m.submodules.ram = ram = BlockRAM(layout.size, depth)
        stored = Signal(range(depth + 1))
        write_at = Signal(range(depth))
        read_at = Signal(range(depth))
        empty = Signal(init=1)
        # Whether the read address has stood on a stored entry for that many clocks: the RAM's output follows it.
        settled = Signal(BLOCK_RAM_LATENCY)

        store = Signal()
        take = Signal()
        taken = Signal()
        single = Signal()
        free = Signal()
        m.d.comb += [
            single.eq((read_at + 1)[: len(read_at)] == write_at),
            free.eq(~self.output.valid | self.output.ready),
            self.enqueue.ready.eq(~stored[-1]),  # depth is a power of two
            store.eq(self.enqueue.valid & self.enqueue.ready & ~(empty & free)),
            take.eq(settled[-1] & free),
            # What goes past the RAM is written too, where the next entry to store will overwrite it.
            ram.w_en.eq(self.enqueue.valid & self.enqueue.ready),
            ram.w_addr.eq(write_at),
            ram.w_data.eq(entry),
            ram.r_addr.eq(read_at),
        ]
        with m.If(store):
            m.d.sync += empty.eq(0)
        with m.Elif(take & single):
            m.d.sync += empty.eq(1)
        # An entry taken makes room a clock later, to keep the output's ready off this path.
        m.d.sync += taken.eq(take)
        with m.If(store & ~taken):
            m.d.sync += stored.eq(stored + 1)
        with m.Elif(taken & ~store):
            m.d.sync += stored.eq(stored - 1)
        with m.If(store):
            m.d.sync += write_at.eq(write_at + 1)
        with m.If(take):
            m.d.sync += read_at.eq(read_at + 1)
        m.d.sync += settled.eq(Mux(empty | take, 0, settled << 1 | 1))
        with m.If(free):
            m.d.sync += [
                self.output.valid.eq(Mux(empty, self.enqueue.valid, take)),
                self.output.payload.eq(data.View(layout, Mux(empty, entry.as_value(), ram.r_data))),
            ]
        return m
