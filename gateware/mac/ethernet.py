"""A whole Ethernet MAC between the core and GMII octets."""

from amaranth.hdl import DomainRenamer, Module
from amaranth.lib import wiring
from amaranth.lib.cdc import PulseSynchronizer
from amaranth.lib.wiring import In, Out, connect, flipped

from ..buffer import Buffer
from ..packet import PacketSignature, Word
from ..phy.gmii import GmiiReceive, GmiiTransmit
from .frame import MAX_FRAME, check_max_frame
from .frame_fifo import FrameFifo
from .receiver import Receiver
from .start_gate import StartGate
from .transmitter import Transmitter
from .width import Narrower, Widener

__all__ = ["EthernetMac"]

_CROSSING = 32
"""Width in bits in which frames cross between clock domains: enough for 1 Gb/s from 32 MHz of ``sync`` on."""


class EthernetMac(wiring.Component):
    """:class:`Receiver` and :class:`Transmitter` for a core of ``width`` bits in domain ``sync``, at up to 1 Gb/s.

    ``rx``, ``tx``   frames from and to the wire. ``tx`` takes them as fast as the wire does.
    ``gmii_rx``      octets in domain ``rx_domain``.
    ``gmii_tx``      octets in domain ``tx_domain``.
    ``underrun``     strobe: a frame was spoilt, because it paused for longer than its head start covers.
    ``overflow``     strobe: a frame of the wire was lost or marked bad, because ``sync`` is slower than 32 MHz.

    ``start_octets`` of a frame, or all of it, are gathered before it is sent. Domains may be reset and stopped one by
    one: frames under way are lost or marked bad, later ones are not concerned.
    """

    def __init__(
        self,
        width: int,
        rx_domain: str = "rx",
        tx_domain: str = "tx",
        *,
        max_frame: int = MAX_FRAME,
        start_octets: int = 64,
    ):
        if width < _CROSSING:
            raise ValueError(f"width must be at least {_CROSSING} bits, not {width}")
        if not isinstance(start_octets, int) or start_octets < 4 or start_octets % 4:
            raise ValueError(f"start_octets must be a positive multiple of 4, not {start_octets!r}")
        check_max_frame(max_frame)
        self.width = width
        self.rx_domain = rx_domain
        self.tx_domain = tx_domain
        self.max_frame = max_frame
        self.start_octets = start_octets
        super().__init__(
            {
                "rx": Out(PacketSignature(width, always_ready=True)),
                "tx": In(PacketSignature(width)),
                "gmii_rx": In(GmiiReceive()),
                "gmii_tx": Out(GmiiTransmit()),
                "underrun": Out(1),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self._receive(m)
        self._transmit(m)
        return m

    def _receive(self, m: Module) -> None:
        receiver = Receiver(self.max_frame)
        gatherer = Widener(8, _CROSSING)
        fifo = FrameFifo(_CROSSING, lossy=True)
        to_rx = DomainRenamer(self.rx_domain)
        m.submodules.receiver = to_rx(receiver)
        m.submodules.gatherer = to_rx(gatherer)
        m.submodules.rx_fifo = DomainRenamer({"write": self.rx_domain, "read": "sync"})(fifo)
        m.submodules.overflow = overflow = PulseSynchronizer(self.rx_domain, "sync")
        connect(m, flipped(self.gmii_rx), receiver.gmii)
        connect(m, receiver.output, gatherer.input)
        connect(m, gatherer.output, fifo.input)
        m.d.comb += [fifo.output.ready.eq(1), overflow.i.eq(fifo.overflow), self.overflow.eq(overflow.o)]
        if self.width == _CROSSING:
            m.d.sync += [self.rx.valid.eq(fifo.output.valid), self.rx.payload.eq(fifo.output.payload)]
        else:
            m.submodules.widener = widener = Widener(_CROSSING, self.width)
            m.d.comb += [
                widener.input.valid.eq(fifo.output.valid),
                widener.input.payload.eq(fifo.output.payload),
            ]
            connect(m, widener.output, flipped(self.rx))

    def _transmit(self, m: Module) -> None:
        threshold = self.start_octets * 8 // _CROSSING
        m.submodules.gate = gate = StartGate(_CROSSING, threshold=threshold, depth=-(-threshold // 16) * 16)
        fifo = FrameFifo(_CROSSING)
        divider = Narrower(_CROSSING, 8)
        buffer = Buffer(Word(_CROSSING))  # from the PHY's `enable` to the FIFO would be a long way
        transmitter = Transmitter()
        to_tx = DomainRenamer(self.tx_domain)
        m.submodules.tx_fifo = DomainRenamer({"write": "sync", "read": self.tx_domain})(fifo)
        m.submodules.divider = to_tx(divider)
        m.submodules.buffer = to_tx(buffer)
        m.submodules.transmitter = to_tx(transmitter)
        m.submodules.underrun = underrun = PulseSynchronizer(self.tx_domain, "sync")
        if self.width == _CROSSING:
            connect(m, flipped(self.tx), gate.input)
        else:
            m.submodules.narrower = narrower = Narrower(self.width, _CROSSING)
            connect(m, flipped(self.tx), narrower.input)
            connect(m, narrower.output, gate.input)
        connect(m, gate.output, fifo.input)
        connect(m, fifo.output, buffer.input)
        connect(m, buffer.output, divider.input)
        connect(m, divider.output, transmitter.input)
        connect(m, transmitter.gmii, flipped(self.gmii_tx))
        m.d.comb += [underrun.i.eq(transmitter.underrun), self.underrun.eq(underrun.o)]
