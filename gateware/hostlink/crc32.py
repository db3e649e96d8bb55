"""CRC-32 behind frame contents."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from ..crc32 import CRC_OCTETS, crc32_processor

__all__ = ["Crc32Appender", "LastOctet"]


class LastOctet(data.Struct):
    """An octet of a frame."""

    data: 8
    last: 1
    """Ends the frame."""


class Crc32Appender(Component):
    """Passes frames on, each with its CRC behind it. Latency 0 clocks, one idle clock per frame."""

    input: In(stream.Signature(LastOctet))
    output: Out(stream.Signature(LastOctet))

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = crc32_processor()
        check = Signal(data.ArrayLayout(8, CRC_OCTETS))
        position = Signal(range(CRC_OCTETS))
        with m.FSM():
            with m.State("PASS"):
                m.d.comb += [
                    self.output.payload.data.eq(self.input.payload.data),
                    self.output.valid.eq(self.input.valid),
                    self.input.ready.eq(self.output.ready),
                    crc.data.eq(self.input.payload.data),
                    crc.valid.eq(self.input.valid & self.output.ready),
                ]
                with m.If(self.input.valid & self.output.ready & self.input.payload.last):
                    m.next = "LATCH"
            with m.State("LATCH"):
                m.d.comb += crc.start.eq(1)
                m.d.sync += check.eq(crc.crc)
                m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += [
                    self.output.payload.data.eq(check[position]),
                    self.output.payload.last.eq(position == CRC_OCTETS - 1),
                    self.output.valid.eq(1),
                ]
                with m.If(self.output.ready):
                    m.d.sync += position.eq(position + 1)
                    with m.If(self.output.payload.last):
                        m.next = "PASS"
        return m
