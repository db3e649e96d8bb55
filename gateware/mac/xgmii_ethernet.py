"""A whole Ethernet MAC between the core and XGMII words."""

from amaranth.hdl import DomainRenamer, Module
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer, PulseSynchronizer
from amaranth.lib.wiring import In, Out, connect, flipped

from ..packet import PacketSignature
from ..phy.link_fault import LinkFault, LinkFaultDetector, LinkFaultReply
from ..phy.xgmii import LANES, XgmiiSignature
from .crossing import ReceiveCrossing, TransmitCrossing, check_start_octets
from .faults import MacFaults
from .frame import MAX_FRAME, check_max_frame
from .width import Narrower, Widener
from .xgmii_receiver import XgmiiReceiver
from .xgmii_transmitter import XgmiiTransmitter

__all__ = ["XgmiiEthernetMac"]

_WIDTH = 8 * LANES
_WIDEST = 2 * _WIDTH
"""Frames cross between clock domains in no more bits than this: enough for 10 Gb/s from 79 MHz of ``sync`` on."""
_LEAST = 32
_DEPTH = 16
"""Words of the crossings: what LUT RAM gives for the price of fewer, as here every clock may have one."""


class XgmiiEthernetMac(wiring.Component):
    """:class:`XgmiiReceiver` and :class:`XgmiiTransmitter` for a core of ``width`` bits in domain ``sync``, at 10 Gb/s.

    ``rx``, ``tx``   frames from and to the wire. ``tx`` takes them as fast as the wire does.
    ``xgmii_rx``     words in domain ``rx_domain``.
    ``xgmii_tx``     words in domain ``tx_domain``, both of 156.25 MHz.
    ``fault``        state of the link, in ``sync``; between two kinds of fault it may be wrong for a clock. The
                     other end is answered as IEEE 802.3, 46.3.4 wants, and without a link frames are lost.
    ``faults``       :class:`MacFaults`.

    ``sync`` must keep up with the wire: 156.25 MHz for a width of 64 (and no less than the wire's own clock, as far as
    long frames that follow each other are concerned), half of it above, twice as much for 32. ``start_octets`` of a
    frame, or all of it, are gathered before it is sent. Domains may be reset and stopped one by one: frames under way
    are lost or marked bad, later ones are not concerned.
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
        if width < _LEAST:
            raise ValueError(f"width must be at least {_LEAST} bits, not {width}")
        self._wire = _WIDTH if width <= _WIDTH else _WIDEST
        check_start_octets(start_octets, self._wire)
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
                "xgmii_rx": In(XgmiiSignature()),
                "xgmii_tx": Out(XgmiiSignature()),
                "fault": Out(LinkFault),
                "faults": Out(MacFaults),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self._receive(m)
        self._transmit(m)
        return m

    def _receive(self, m: Module) -> None:
        receiver = XgmiiReceiver(self.max_frame)
        crossing = ReceiveCrossing(self._wire, self.width, depth=_DEPTH)
        to_rx = DomainRenamer(self.rx_domain)
        m.submodules.receiver = to_rx(receiver)
        m.submodules.rx_crossing = DomainRenamer({"wire": self.rx_domain})(crossing)
        connect(m, flipped(self.xgmii_rx), receiver.xgmii)
        if self._wire == _WIDTH:
            connect(m, receiver.output, crossing.input)
        else:
            gatherer = Widener(_WIDTH, self._wire)
            m.submodules.gatherer = to_rx(gatherer)
            connect(m, receiver.output, gatherer.input)
            connect(m, gatherer.output, crossing.input)
        connect(m, crossing.output, flipped(self.rx))
        m.d.comb += self.faults.overflow.eq(crossing.overflow)

    def _transmit(self, m: Module) -> None:
        transmitter = XgmiiTransmitter()
        detector = LinkFaultDetector()
        reply = LinkFaultReply()
        crossing = TransmitCrossing(self.width, self._wire, start_octets=self.start_octets, depth=_DEPTH)
        to_tx = DomainRenamer(self.tx_domain)
        m.submodules.tx_crossing = DomainRenamer({"wire": self.tx_domain})(crossing)
        m.submodules.transmitter = to_tx(transmitter)
        m.submodules.detector = DomainRenamer(self.rx_domain)(detector)
        m.submodules.reply = to_tx(reply)
        m.submodules.underrun = underrun = PulseSynchronizer(self.tx_domain, "sync")
        connect(m, flipped(self.tx), crossing.input)
        if self._wire == _WIDTH:
            connect(m, crossing.output, transmitter.input)
        else:
            divider = Narrower(self._wire, _WIDTH)
            m.submodules.divider = to_tx(divider)
            connect(m, crossing.output, divider.input)
            connect(m, divider.output, transmitter.input)
        connect(m, flipped(self.xgmii_rx), detector.xgmii)
        connect(m, transmitter.xgmii, reply.input)
        connect(m, reply.output, flipped(self.xgmii_tx))
        m.submodules.fault = FFSynchronizer(detector.fault, self.fault)
        m.submodules.reply_fault = FFSynchronizer(detector.fault, reply.fault, o_domain=self.tx_domain)
        m.d.comb += [underrun.i.eq(transmitter.underrun), self.faults.underrun.eq(underrun.o)]
