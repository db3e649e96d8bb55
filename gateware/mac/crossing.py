"""Frames between the core and a MAC's side of the wire: other clocks, another width."""

from amaranth.hdl import DomainRenamer, Module
from amaranth.lib import wiring
from amaranth.lib.cdc import PulseSynchronizer
from amaranth.lib.wiring import In, Out, connect, flipped

from ..buffer import Buffer
from ..packet import PacketSignature, Word
from .frame_fifo import FrameFifo
from .start_gate import StartGate
from .width import Narrower, Widener

__all__ = ["ReceiveCrossing", "TransmitCrossing", "check_start_octets"]

_GATE_STEP = 16
"""Words of a slice of LUT RAM."""


def check_start_octets(start_octets: int, wire: int) -> None:
    step = wire // 8
    if not isinstance(start_octets, int) or start_octets < step or start_octets % step:
        raise ValueError(f"start_octets must be a positive multiple of {step}, not {start_octets!r}")


class ReceiveCrossing(wiring.Component):
    """Words of ``wire`` bits in domain ``wire`` become words of ``core`` bits in domain ``sync``.

    ``overflow``  strobe in ``sync``: a frame was lost or marked bad, because ``sync`` took a word of ``wire`` bits less
                  often than one came; ``depth`` are stored, see :class:`FrameFifo`.

    ``output`` is registered, unless it is the narrower side.
    """

    def __init__(self, wire: int, core: int, *, depth: int = 8):
        self.wire = wire
        self.core = core
        self.depth = depth
        super().__init__(
            {
                "input": In(PacketSignature(wire, always_ready=True)),
                "output": Out(PacketSignature(core, always_ready=True)),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fifo = FrameFifo(self.wire, depth=self.depth, lossy=True)
        m.submodules.fifo = DomainRenamer({"write": "wire", "read": "sync"})(fifo)
        m.submodules.overflow = overflow = PulseSynchronizer("wire", "sync")
        connect(m, flipped(self.input), fifo.input)
        m.d.comb += [overflow.i.eq(fifo.overflow), self.overflow.eq(overflow.o)]
        found, output = fifo.output, self.output
        if self.core < self.wire:
            m.submodules.narrower = narrower = Narrower(self.wire, self.core)
            connect(m, found, narrower.input)
            m.d.comb += [
                narrower.output.ready.eq(1),
                output.valid.eq(narrower.output.valid),
                output.payload.eq(narrower.output.payload),
            ]
            return m
        m.d.comb += found.ready.eq(1)
        if self.core == self.wire:
            m.d.sync += [output.valid.eq(found.valid), output.payload.eq(found.payload)]
        else:
            m.submodules.widener = widener = Widener(self.wire, self.core)
            m.d.comb += [widener.input.valid.eq(found.valid), widener.input.payload.eq(found.payload)]
            connect(m, widener.output, flipped(output))
        return m


class TransmitCrossing(wiring.Component):
    """Words of ``core`` bits in domain ``sync`` become words of ``wire`` bits in domain ``wire``, from registers.

    ``start_octets`` of a frame, or all of it, are gathered before it goes on, since on the wire it cannot pause.
    """

    def __init__(self, core: int, wire: int, *, start_octets: int, depth: int = 8):
        check_start_octets(start_octets, wire)
        self.core = core
        self.wire = wire
        self.start_octets = start_octets
        self.depth = depth
        super().__init__({"input": In(PacketSignature(core)), "output": Out(PacketSignature(wire))})

    def elaborate(self, platform) -> Module:
        m = Module()
        threshold = self.start_octets * 8 // self.wire
        depth = -(-threshold // _GATE_STEP) * _GATE_STEP
        m.submodules.gate = gate = StartGate(self.wire, threshold=threshold, depth=depth)
        fifo = FrameFifo(self.wire, depth=self.depth)
        buffer = Buffer(Word(self.wire))  # from the PHY's side to the FIFO would be a long way
        m.submodules.fifo = DomainRenamer({"write": "sync", "read": "wire"})(fifo)
        m.submodules.buffer = DomainRenamer("wire")(buffer)
        if self.core == self.wire:
            connect(m, flipped(self.input), gate.input)
        else:
            if self.core > self.wire:
                converter = Narrower(self.core, self.wire)
            else:
                converter = Widener(self.core, self.wire, waits=True)
            m.submodules.converter = converter
            connect(m, flipped(self.input), converter.input)
            connect(m, converter.output, gate.input)
        connect(m, gate.output, fifo.input)
        connect(m, fifo.output, buffer.input)
        connect(m, buffer.output, flipped(self.output))
        return m
