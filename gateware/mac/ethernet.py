"""A whole Ethernet MAC between the core and GMII octets."""

from amaranth.hdl import DomainRenamer, Module
from amaranth.lib import wiring
from amaranth.lib.cdc import PulseSynchronizer
from amaranth.lib.wiring import In, Out, connect, flipped

from ..packet import PacketSignature
from ..phy.gmii import GmiiReceive, GmiiTransmit
from .crossing import ReceiveCrossing, TransmitCrossing, check_start_octets
from .faults import MacFaults
from .frame import MAX_FRAME, check_max_frame
from .receiver import Receiver
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
    ``faults``       :class:`MacFaults`; none if ``sync`` has 32 MHz and more and frames do not pause.

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
        check_start_octets(start_octets, _CROSSING)
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
                "faults": Out(MacFaults),
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
        crossing = ReceiveCrossing(_CROSSING, self.width)
        to_rx = DomainRenamer(self.rx_domain)
        m.submodules.receiver = to_rx(receiver)
        m.submodules.gatherer = to_rx(gatherer)
        m.submodules.rx_crossing = DomainRenamer({"wire": self.rx_domain})(crossing)
        connect(m, flipped(self.gmii_rx), receiver.gmii)
        connect(m, receiver.output, gatherer.input)
        connect(m, gatherer.output, crossing.input)
        connect(m, crossing.output, flipped(self.rx))
        m.d.comb += self.faults.overflow.eq(crossing.overflow)

    def _transmit(self, m: Module) -> None:
        crossing = TransmitCrossing(self.width, _CROSSING, start_octets=self.start_octets)
        divider = Narrower(_CROSSING, 8)
        transmitter = Transmitter()
        to_tx = DomainRenamer(self.tx_domain)
        m.submodules.tx_crossing = DomainRenamer({"wire": self.tx_domain})(crossing)
        m.submodules.divider = to_tx(divider)
        m.submodules.transmitter = to_tx(transmitter)
        m.submodules.underrun = underrun = PulseSynchronizer(self.tx_domain, "sync")
        connect(m, flipped(self.tx), crossing.input)
        connect(m, crossing.output, divider.input)
        connect(m, divider.output, transmitter.input)
        connect(m, transmitter.gmii, flipped(self.gmii_tx))
        m.d.comb += [underrun.i.eq(transmitter.underrun), self.faults.underrun.eq(underrun.o)]
