"""From the words of replies to octets on the line."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from .buffer import StreamBuffer
from .cobs import CobsEncoder
from .crc32 import Crc32Appender, LastOctet
from .engine import LastWord

__all__ = ["ReplyFramer", "WordSplitter"]


class WordSplitter(Component):
    """Splits words into octets, lowest first. Latency 0 clocks, four octets per word."""

    input: In(stream.Signature(LastWord))
    output: Out(stream.Signature(LastOctet))

    def elaborate(self, platform):
        m = Module()
        octets = data.View(data.ArrayLayout(8, 4), self.input.payload.data)
        number = Signal(2)
        final = number == 3
        m.d.comb += [
            self.output.payload.data.eq(octets[number]),
            self.output.payload.last.eq(self.input.payload.last & final),
            self.output.valid.eq(self.input.valid),
            self.input.ready.eq(self.output.ready & final),
        ]
        with m.If(self.output.valid & self.output.ready):
            m.d.sync += number.eq(number + 1)
        return m


class ReplyFramer(Component):
    """Adds the CRC, stuffs and buffers: up to seven of the longest replies wait here for the line."""

    words: In(stream.Signature(LastWord))
    octets: Out(stream.Signature(8))
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.splitter = splitter = WordSplitter()
        m.submodules.appender = appender = Crc32Appender()
        m.submodules.encoder = encoder = CobsEncoder()
        m.submodules.word = word = StreamBuffer(LastWord)
        m.submodules.octet = octet = StreamBuffer(LastOctet)
        connect(m, flipped(self.words), word.input)
        connect(m, word.output, splitter.input)
        connect(m, splitter.output, appender.input)
        connect(m, appender.output, octet.input)
        connect(m, octet.output, encoder.input)
        connect(m, encoder.output, flipped(self.octets))
        m.d.comb += self.busy.eq(encoder.busy | self.words.valid | word.output.valid | octet.output.valid)
        return m
