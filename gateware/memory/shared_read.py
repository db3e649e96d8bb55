"""One read port for several who are in no hurry."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..params import Params
from .ports import READ_LATENCY, ReadPort

__all__ = ["SharedRead"]


class SharedRead(wiring.Component):
    """Two share a read port: ``second`` has it when ``first`` does not ask, which must not be always. Latency 0."""

    def __init__(self, params: Params):
        super().__init__(
            {"first": In(ReadPort(params)), "second": In(ReadPort(params)), "read": Out(ReadPort(params))}
        )

    def elaborate(self, platform):
        m = Module()
        request = self.read.request
        m.d.comb += [
            request.valid.eq(self.first.request.valid | self.second.request.valid),
            request.payload.eq(self.second.request.payload),
            self.first.request.ready.eq(request.ready),
            self.second.request.ready.eq(request.ready & ~self.first.request.valid),
        ]
        with m.If(self.first.request.valid):
            m.d.comb += request.payload.eq(self.first.request.payload)
        # Whose answer comes.
        firsts = Signal(READ_LATENCY)
        m.d.sync += firsts.eq(firsts << 1 | self.first.request.valid)
        for port, valid in (
            (self.first, self.read.valid & firsts[-1]),
            (self.second, self.read.valid & ~firsts[-1]),
        ):
            m.d.comb += [
                port.valid.eq(valid),
                port.data.eq(self.read.data),
                port.next_cell.eq(self.read.next_cell),
            ]
        return m
