"""The descriptors that wait for a port."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..headers import Descriptor
from ..params import Params
from ..tables.memory import BLOCK_RAM_LATENCY, BlockRAM
from .entry import Entry, admit

__all__ = ["Queue"]

_NARROW = 64
"""Width of the widest datapath on which every frame is more words than the queue takes clocks for two rows."""


class Queue(wiring.Component):
    """FIFO of ``params.queue_depth`` entries in block RAM. Takes none in the clock behind another one's.

    An entry that finds the queue empty goes straight to the output register: latency 1 clock. Behind others
    it takes up to 3 clocks more than it has rows. The output delivers an entry every third clock at most, with two rows
    every fourth (every clock while the queue runs empty); no frame is shorter than that. Where frames are many words,
    an entry is two rows of a RAM that is deep enough for them anyway.
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

        rows = 2 if self.params.width <= _NARROW else 1
        part = -(-layout.size // rows)
        m.submodules.ram = ram = BlockRAM(part, depth * rows)
        held = Signal(range(depth + 1))  # also at the output
        write_at = Signal(range(depth))
        read_at = Signal(range(depth))
        empty = Signal(init=1)
        # Whether the read address has stood on a stored entry for that many clocks: the RAM's output follows it.
        settled = Signal(BLOCK_RAM_LATENCY + rows - 1)

        store = Signal()
        take = Signal()
        comes = Signal()
        came = Signal()
        gone = Signal()
        nearly_full = Signal()  # it is full with the entry that came
        single = Signal()
        free = Signal()
        m.d.comb += [
            single.eq((read_at + 1)[: len(read_at)] == write_at),
            free.eq(~self.output.valid | self.output.ready),
            self.enqueue.ready.eq(~(held[-1] | (nearly_full & came))),  # depth is a power of two
            comes.eq(self.enqueue.valid & self.enqueue.ready),
            store.eq(comes & ~(empty & free)),
            take.eq(settled[-1] & free),
            # What goes past the RAM is written too, where the next entry to store will overwrite it.
            ram.w_en.eq(comes),
            ram.w_addr.eq(write_at),
            ram.w_data.eq(entry),
            ram.r_addr.eq(read_at),
        ]
        stored_entry = ram.r_data
        if rows == 2:
            begun = Signal()  # the first row of an entry was written a clock ago
            written_at = Signal.like(write_at)
            behind = Signal(part)  # its second row
            first = Signal(part)  # the one of the entry that is read
            m.d.sync += [
                begun.eq(comes),
                behind.eq(entry.as_value()[part:]),
                written_at.eq(write_at),
            ]
            m.d.comb += [ram.w_addr.eq(Cat(Const(0, 1), write_at)), ram.r_addr.eq(Cat(settled[0], read_at))]
            with m.If(begun):
                m.d.comb += [
                    ram.w_en.eq(1),
                    ram.w_addr.eq(Cat(Const(1, 1), written_at)),
                    ram.w_data.eq(behind),
                ]
            with m.If(~settled[-1]):
                m.d.sync += first.eq(ram.r_data)
            stored_entry = Cat(first, ram.r_data)[: layout.size]
        with m.If(store):
            m.d.sync += empty.eq(0)
        with m.Elif(take & single):
            m.d.sync += empty.eq(1)
        # Counted a clock late, to keep both handshakes off this path.
        now_held = Signal.like(held)
        m.d.comb += now_held.eq(held + came - gone)
        m.d.sync += [
            came.eq(comes),
            gone.eq(self.output.valid & self.output.ready),
            held.eq(now_held),
            nearly_full.eq(now_held == depth - 1),
        ]
        with m.If(store):
            m.d.sync += write_at.eq(write_at + 1)
        with m.If(take):
            m.d.sync += read_at.eq(read_at + 1)
        m.d.sync += settled.eq(Mux(empty | take, 0, settled << 1 | 1))
        with m.If(free):
            m.d.sync += [
                self.output.valid.eq(Mux(empty, self.enqueue.valid, take)),
                self.output.payload.eq(data.View(layout, Mux(empty, entry.as_value(), stored_entry))),
            ]
        return m
