"""Sources that wait to be learned."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..params import Params
from .mac_entry import MacLearn

__all__ = ["LearnQueue"]

_DEPTH = 16


class LearnQueue(wiring.Component):
    """A FIFO for 15 sources in LUT RAM: small, without a level.

    It takes one, and gives one, every other clock at most: both handshakes end at registers. ``static`` and
    ``age`` of the entries are 0 at the output.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "input": In(stream.Signature(MacLearn(params))),
                "output": Out(stream.Signature(MacLearn(params))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # The fields of the entry that learning brings are its highest bits.
        start = MacLearn(self.params)["entry"].offset
        ignored = 3
        value = Value.cast(self.input.payload)
        m.submodules.memory = memory = Memory(shape=len(value) - ignored, depth=_DEPTH, init=[])
        write = memory.write_port()
        read = memory.read_port(domain="comb")
        first = Signal(range(_DEPTH))
        end = Signal(range(_DEPTH))
        taken = Signal()
        m.d.comb += taken.eq(self.output.valid & self.output.ready)
        m.d.sync += [
            self.input.ready.eq(((end + 1)[: len(end)] != first) & ~write.en),
            self.output.valid.eq((end != first) & ~taken),
        ]
        m.d.comb += [
            write.en.eq(self.input.valid & self.input.ready),
            write.addr.eq(end),
            write.data[:start].eq(value[:start]),
            write.data[start:].eq(value[start + ignored :]),
            read.addr.eq(first),
            Value.cast(self.output.payload)[:start].eq(read.data[:start]),
            Value.cast(self.output.payload)[start + ignored :].eq(read.data[start:]),
        ]
        with m.If(write.en):
            m.d.sync += end.eq(end + 1)
        with m.If(taken):
            m.d.sync += first.eq(first + 1)
        return m
