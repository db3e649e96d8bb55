"""A port of a board: from the pins of an RGMII PHY to frames of the core."""

from amaranth.hdl import DomainRenamer, Module, Mux, ValueLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..gateware.crc32 import CRC_OCTETS
from ..gateware.mac.ethernet import EthernetMac
from ..gateware.mac.faults import MacFaults
from ..gateware.packet import PacketSignature
from ..gateware.phy.gmii import Speed
from ..gateware.phy.link import LinkState, LinkSynchronizer
from ..gateware.phy.rgmii import RgmiiReceive, RgmiiTransmit
from ..gateware.phy.rgmii_pads import RgmiiPads, RgmiiPins
from .clocking import GIGABIT_DOMAIN, GIGABIT_HZ, gate_clock

__all__ = ["MAX_FRAME", "RgmiiPort"]

MAX_FRAME = (1 << 14) - 1 - CRC_OCTETS
"""The longest one that a port takes, in octets without FCS."""


def _speed(link) -> ValueLike:
    """Without a link frames leave at the highest speed, into nothing: slowly they would fill the packet memory."""
    return Mux(link.up, link.speed, Speed.MBIT_1000)


class RgmiiPort(wiring.Component):
    """Pads, RGMII and MAC. Drives the domain :attr:`rx_domain`, ``NAME_rx``, which the caller defines without reset,
    with the PHY's receive clock, and constrains it.

    Parameters
    ----------
    name
        Of the port, for its domain.
    width
        Of the core's datapath, in bits.
    max_frame
        Longest frame, in octets without FCS.
    rx_delay_ps, tx_delay_ps
        See :class:`RgmiiPads`.

    Members (domain ``sync``)
    -------
    rx, tx
        Frames from and to the wire.
    link : In(LinkState)
        Whose speed the port works at.
    faults : Out(MacFaults)
        Of the MAC.
    running : In(1)
        The clocks of the board are; of the oscillator's domain. The PHY's clock does not get in until then.
    """

    def __init__(
        self, name: str, width: int, pins: RgmiiPins, *, max_frame: int, rx_delay_ps: int, tx_delay_ps: int
    ):
        self.rx_domain = f"{name}_rx"
        self.pads = RgmiiPads(
            pins,
            rx_delay_ps=rx_delay_ps,
            tx_delay_ps=tx_delay_ps,
            rx_domain=self.rx_domain,
            tx_domain=GIGABIT_DOMAIN,
        )
        self.mac = EthernetMac(width, self.rx_domain, GIGABIT_DOMAIN, max_frame=max_frame + CRC_OCTETS)
        super().__init__(
            {
                "rx": Out(PacketSignature(width, always_ready=True)),
                "tx": In(PacketSignature(width)),
                "link": In(LinkState),
                "faults": Out(MacFaults),
                "running": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        pads, mac = self.pads, self.mac
        m.submodules.pads = pads
        m.submodules.mac = mac
        gate_clock(m, self.rx_domain, pads.rx_clk, self.running)
        platform.add_clock_constraint(pads.pins.rx_clk.io, GIGABIT_HZ)

        to_rx, to_tx = DomainRenamer(self.rx_domain), DomainRenamer(GIGABIT_DOMAIN)
        receive, transmit = RgmiiReceive(), RgmiiTransmit()
        m.submodules.receive = to_rx(receive)
        m.submodules.transmit = to_tx(transmit)
        connect(m, pads.rx, receive.pads)
        connect(m, receive.rx, mac.gmii_rx)
        connect(m, mac.gmii_tx, transmit.tx)
        connect(m, transmit.pads, pads.tx)

        link_to_rx, link_to_tx = LinkSynchronizer(), LinkSynchronizer()
        m.submodules.link_to_rx = to_rx(link_to_rx)
        m.submodules.link_to_tx = to_tx(link_to_tx)
        m.d.comb += [
            link_to_rx.input.eq(self.link),
            link_to_tx.input.eq(self.link),
            receive.speed.eq(_speed(link_to_rx.output)),
            transmit.speed.eq(_speed(link_to_tx.output)),
        ]
        connect(m, mac.rx, flipped(self.rx))
        connect(m, flipped(self.tx), mac.tx)
        m.d.comb += self.faults.eq(mac.faults)
        return m
