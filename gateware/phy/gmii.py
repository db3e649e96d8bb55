"""GMII octets (IEEE 802.3 clause 35): what every PHY interface and the MAC have in common, at every speed."""

from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["GmiiReceive", "GmiiTransmit", "Speed"]


class Speed(enum.Enum, shape=2):
    """Line rate, as the in-band status of RGMII and MDIO's bits 6.13 name it."""

    MBIT_10 = 0
    MBIT_100 = 1
    MBIT_1000 = 2


class GmiiReceive(wiring.Signature):
    """Octets from a PHY, in the clock domain that it receives in.

    ``enable``  the other members hold a new octet time: every clock at 1 Gb/s, less often below.
    ``valid``   RX_DV: the octet is part of a packet, preamble included.
    ``error``   RX_ER.
    ``data``    RXD, the first bit on the wire lowest.
    """

    def __init__(self):
        super().__init__({"enable": Out(1), "valid": Out(1), "error": Out(1), "data": Out(8)})


class GmiiTransmit(wiring.Signature):
    """Octets to a PHY, in the clock domain that it sends in.

    ``enable``  from the PHY: it takes what the other members hold in this clock; see :class:`GmiiReceive`.
    ``valid``   TX_EN.
    ``error``   TX_ER: the PHY must spoil the packet.
    ``data``    TXD.
    """

    def __init__(self):
        super().__init__({"enable": In(1), "valid": Out(1), "error": Out(1), "data": Out(8)})
