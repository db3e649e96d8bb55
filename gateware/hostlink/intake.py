"""From octets to intact requests."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from ..crc32 import crc32_processor
from .cobs import CobsDecoder, Event
from .format import BURST_WORDS, HEADER_WORDS
from .ring import Ring

__all__ = ["RequestIntake"]

_WORD_OCTETS = 4
_MOST_WORDS = HEADER_WORDS + BURST_WORDS + 1
"""Words of the longest frame, its CRC included."""


class RequestIntake(Component):
    """Collects frames and passes on those that are intact, each as its length in words and then its words.

    A frame is damaged if its byte stuffing or CRC is wrong, if it is no whole number of words, or shorter
    than a header, or longer than a request can be. It is discarded whole and ``damaged`` strobes. Frames wait
    in a buffer of 512 words; only when it is full, ``octets`` waits.
    """

    octets: In(stream.Signature(8))
    words: Out(stream.Signature(32))
    damaged: Out(1)
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()
        depth = 512
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.crc = crc = crc32_processor()
        m.submodules.ring = ring = Ring(32, depth)
        connect(m, flipped(self.octets), decoder.input)
        connect(m, ring.output, flipped(self.words))

        item = decoder.output
        start = Signal(range(depth))
        """Place of the length of the frame that comes in, which is final up to here."""
        words = Signal(range(_MOST_WORDS + 1))
        octet = Signal(range(_WORD_OCTETS))
        word = Signal(32)
        too_long = Signal()
        room = Signal()
        free = Signal(range(depth))
        m.d.comb += ring.limit.eq(start)
        # Two clocks old: one frame more may have come in since.
        m.d.sync += [free.eq(ring.tail - start - 1), room.eq(free > 2 * (_MOST_WORDS + 1))]
        m.d.comb += self.busy.eq(self.octets.valid | item.valid | (ring.tail != start) | self.words.valid)

        write = Signal()
        intact = Signal()
        m.d.sync += [write.eq(0), self.damaged.eq(0)]
        m.d.comb += [crc.data.eq(item.payload.data), ring.w_en.eq(write)]
        m.d.comb += [ring.w_addr.eq(start + words), ring.w_data.eq(word)]
        with m.FSM():
            with m.State("FRAME"):
                # There is room for the longest frame before its first octet is taken.
                m.d.comb += item.ready.eq(room)
                with m.If(item.valid & room):
                    with m.If(item.payload.event == Event.OCTET):
                        m.d.comb += crc.valid.eq(1)
                        m.d.sync += [word.eq(Cat(word[8:], item.payload.data)), octet.eq(octet + 1)]
                        with m.If(octet == _WORD_OCTETS - 1):
                            with m.If(words == _MOST_WORDS):
                                m.d.sync += too_long.eq(1)
                            with m.Else():
                                m.d.sync += [write.eq(1), words.eq(words + 1)]
                    with m.Else():
                        complete = (item.payload.event == Event.END) & (octet == 0) & (words > HEADER_WORDS)
                        m.d.sync += intact.eq(complete & crc.match_detected & ~too_long)
                        m.next = "END"
            with m.State("END"):
                with m.If(intact):
                    # The place of the CRC becomes that of the next frame's length.
                    m.d.comb += [ring.w_en.eq(1), ring.w_addr.eq(start), ring.w_data.eq(words - 1)]
                    m.d.sync += start.eq(start + words)
                with m.Else():
                    m.d.sync += self.damaged.eq(1)
                m.d.comb += crc.start.eq(1)
                m.d.sync += [words.eq(0), octet.eq(0), too_long.eq(0)]
                m.next = "FRAME"
        return m
