"""Consistent overhead byte stuffing (Cheshire and Baker, 1999): frames without 0, ended by a 0."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, enum, stream
from amaranth.lib.wiring import Component, In, Out

from .crc32 import LastOctet
from .ring import Ring

__all__ = ["CobsDecoder", "CobsEncoder", "Decoded", "Event"]

_FULL = 255
"""Code of a block of 254 octets that no zero follows."""


class Event(enum.Enum, shape=2):
    """What the decoder found."""

    OCTET = 0
    END = 1
    """The frame is complete."""
    BROKEN = 2
    """The frame ended within a block."""


class Decoded(data.Struct):
    event: Event
    data: 8
    """Valid with ``OCTET``."""


class CobsDecoder(Component):
    """Frame contents from octets. Latency one clock.

    Every delimiter yields ``END`` or ``BROKEN``, save one that follows another (or reset) at once.
    """

    input: In(stream.Signature(8))
    output: Out(stream.Signature(Decoded))

    def elaborate(self, platform):
        m = Module()
        octet = self.input.payload
        empty = Signal(init=1)
        left = Signal(8)
        """Octets up to the next code."""
        zero_due = Signal()
        """A zero stands before the next block."""
        m.d.comb += self.input.ready.eq(~self.output.valid | self.output.ready)
        with m.If(self.output.ready):
            m.d.sync += self.output.valid.eq(0)
        with m.If(self.input.valid & self.input.ready):
            m.d.sync += self.output.payload.data.eq(octet)
            with m.If(octet == 0):
                m.d.sync += [empty.eq(1), left.eq(0), zero_due.eq(0), self.output.valid.eq(~empty)]
                with m.If(left == 0):
                    m.d.sync += self.output.payload.event.eq(Event.END)
                with m.Else():
                    m.d.sync += self.output.payload.event.eq(Event.BROKEN)
            with m.Else():
                m.d.sync += [empty.eq(0), self.output.payload.event.eq(Event.OCTET)]
                with m.If(left == 0):
                    m.d.sync += [
                        left.eq(octet - 1),
                        zero_due.eq(octet != _FULL),
                        self.output.valid.eq(zero_due),
                        self.output.payload.data.eq(0),
                    ]
                with m.Else():
                    m.d.sync += [left.eq(left - 1), self.output.valid.eq(1)]
        return m


class CobsEncoder(Component):
    """Octets from frame contents, with a buffer of ``depth`` octets (a power of two).

    Takes an octet per clock save a few at the end of a block, as long as there is room; the octets of a block
    leave when its end is known. ``busy`` while there is anything in the buffer.
    """

    def __init__(self, depth: int = 2048):
        if depth < 512:
            raise ValueError(f"the buffer must hold a block of 255 octets beside others, not {depth}")
        self.depth = depth
        super().__init__(
            {
                "input": In(stream.Signature(LastOctet)),
                "output": Out(stream.Signature(8)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.ring = ring = Ring(8, self.depth)
        octet = self.input.payload
        code_at = Signal(range(self.depth))
        """Place kept for the code of the open block."""
        head = Signal(range(self.depth), init=1)
        """Next free place."""
        code = Signal(8, init=1)
        room = Signal()
        m.d.comb += [
            ring.limit.eq(code_at),
            self.output.payload.eq(ring.output.payload),
            self.output.valid.eq(ring.output.valid),
            ring.output.ready.eq(self.output.ready),
        ]
        # Two clocks old: a few more places may have been taken since.
        free = Signal(range(self.depth))
        m.d.sync += [free.eq(ring.tail - head), room.eq(free > 8)]

        def open_block(place):
            m.d.sync += [code_at.eq(place), head.eq(place + 1), code.eq(1)]

        with m.FSM() as fsm:
            with m.State("FRAME"):
                m.d.comb += self.input.ready.eq(room)
                with m.If(self.input.valid & room):
                    m.d.comb += ring.w_en.eq(1)
                    with m.If(octet.data == 0):
                        m.d.comb += [ring.w_addr.eq(code_at), ring.w_data.eq(code)]
                        open_block(head)
                    with m.Else():
                        m.d.comb += [ring.w_addr.eq(head), ring.w_data.eq(octet.data)]
                        m.d.sync += [head.eq(head + 1), code.eq(code + 1)]
                        with m.If(code == _FULL - 1):
                            m.next = "FULL"
                    with m.If(octet.last):
                        m.next = "CODE"
            with m.State("FULL"):
                m.d.comb += [ring.w_en.eq(1), ring.w_addr.eq(code_at), ring.w_data.eq(_FULL)]
                open_block(head)
                m.next = "FRAME"
            with m.State("CODE"):
                m.d.comb += [ring.w_en.eq(1), ring.w_addr.eq(code_at), ring.w_data.eq(code)]
                m.next = "DELIMITER"
            with m.State("DELIMITER"):
                m.d.comb += [ring.w_en.eq(1), ring.w_addr.eq(head), ring.w_data.eq(0)]
                open_block(head + 1)
                m.next = "FRAME"
        m.d.comb += self.busy.eq((ring.tail != code_at) | (code != 1) | ~fsm.ongoing("FRAME"))
        return m
