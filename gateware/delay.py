"""Delay lines."""

from amaranth.hdl import Module, ShapeLike, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["DelayLine"]

_RAM_DEPTH = 16
"""Depth of one slice of LUT RAM."""


class DelayLine(wiring.Component):
    """``output`` is ``input`` of ``clocks`` clocks ago; undefined for the first ``clocks`` clocks after reset.

    Carries what travels beside a fixed-latency pipeline. From three clocks on it is LUT RAM, which costs a
    fraction of the flip-flops.
    """

    def __init__(self, shape: ShapeLike, clocks: int):
        if not 1 <= clocks <= _RAM_DEPTH:
            raise ValueError(f"clocks must be from 1 to {_RAM_DEPTH}, not {clocks}")
        self.shape = shape
        self.clocks = clocks
        super().__init__({"input": In(shape), "output": Out(shape)})

    def elaborate(self, platform):
        m = Module()
        if self.clocks < 3:
            stage = self.input
            for index in range(self.clocks):
                following = Signal(self.shape, name=f"stage_{index}")
                m.d.sync += following.eq(stage)
                stage = following
            m.d.comb += self.output.eq(stage)
            return m

        m.submodules.ram = ram = Memory(shape=self.shape, depth=_RAM_DEPTH, init=[])
        write = ram.write_port()
        read = ram.read_port(domain="comb")
        # Writing takes a clock and the output register one: the read address trails by the rest.
        read_at = Signal(range(_RAM_DEPTH))
        write_at = Signal(range(_RAM_DEPTH), init=self.clocks - 1)
        m.d.sync += [
            write_at.eq(write_at + 1),
            read_at.eq(read_at + 1),
            self.output.eq(read.data),
        ]
        m.d.comb += [
            write.addr.eq(write_at),
            write.data.eq(self.input),
            write.en.eq(1),
            read.addr.eq(read_at),
        ]
        return m
