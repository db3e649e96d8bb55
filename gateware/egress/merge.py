"""Frames of the host between those of the port's queue."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..packet import PacketSignature

__all__ = ["Merge"]


class Merge(wiring.Component):
    """Passes the frames of ``main``; after the end of one, or when none is there, one of ``inject``. Latency 0, and
    one clock of pause before and after an injected frame."""

    def __init__(self, width: int):
        super().__init__(
            {
                "main": In(PacketSignature(width)),
                "inject": In(PacketSignature(width)),
                "output": Out(PacketSignature(width)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        main, inject, output = self.main, self.inject, self.output
        inside = Signal()  # a frame of `main` has begun
        injecting = Signal()
        with m.If(injecting):
            m.d.comb += [
                output.valid.eq(inject.valid),
                output.payload.eq(inject.payload),
                inject.ready.eq(output.ready),
            ]
            with m.If(inject.valid & output.ready & inject.payload.last):
                m.d.sync += injecting.eq(0)
        with m.Else():
            m.d.comb += [
                output.valid.eq(main.valid),
                output.payload.eq(main.payload),
                main.ready.eq(output.ready),
            ]
            with m.If(main.valid):
                m.d.sync += inside.eq(~(output.ready & main.payload.last))
            # A word on offer must stay there until it is taken.
            with m.If(
                inject.valid & ((main.valid & output.ready & main.payload.last) | ~(main.valid | inside))
            ):
                m.d.sync += injecting.eq(1)
        return m
