"""The host link: octets on one side, the register bus on the other."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from ..csr.bus import Bus
from .engine import RequestEngine
from .intake import RequestIntake
from .reply import ReplyFramer

__all__ = ["HostLink"]

_SETTLE = 63
"""Clocks that any octet needs at most to make another part of the link busy."""


class HostLink(Component):
    """Device side of the host link protocol (``docs/host-link.md``).

    ``rx``, ``tx``   octets of the line. No sequence of octets makes the link stop working.
    ``bus``          the register space.
    ``errors``       number of damaged frames since reset, modulo 2**32.
    ``busy``         a request or reply is inside; a frame that is still incomplete does not count.
    """

    rx: In(stream.Signature(8))
    tx: Out(stream.Signature(8))
    bus: Out(Bus())
    errors: Out(32)
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.intake = intake = RequestIntake()
        m.submodules.engine = engine = RequestEngine()
        m.submodules.framer = framer = ReplyFramer()
        connect(m, flipped(self.rx), intake.octets)
        connect(m, intake.words, engine.requests)
        connect(m, engine.bus, flipped(self.bus))
        connect(m, engine.replies, framer.words)
        connect(m, framer.octets, flipped(self.tx))
        with m.If(intake.damaged):
            m.d.sync += self.errors.eq(self.errors + 1)

        settle = Signal(range(_SETTLE + 1))
        working = Signal()
        m.d.comb += working.eq(intake.busy | engine.busy | framer.busy)
        m.d.comb += self.busy.eq(working | (settle != 0))
        with m.If(working):
            m.d.sync += settle.eq(_SETTLE)
        with m.Elif(settle != 0):
            m.d.sync += settle.eq(settle - 1)
        return m
