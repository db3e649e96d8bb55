"""Colorlight 5A-75B: an LED receiver card with two Gigabit PHYs, for some 20 dollars.

Pins of revision 7.0 are those of amaranth-boards. Of 8.0 and 8.2: chubby75, 5a-75b/hardware_V8.0.md and
hardware_V8.2.md (https://github.com/q3k/chubby75), which agree.
"""

from amaranth.build import Attrs, Clock, Pins, Resource, Subsignal
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.colorlight_5a75b_r7_0 import Colorlight_5A75B_R70Platform
from amaranth_boards.resources import UARTResource

from . import phys
from .board import Board, EthernetPort
from .resources import without
from .sizes import SIZES_25F

__all__ = ["COLORLIGHT_5A_75B", "COLORLIGHT_5A_75B_R8"]

_LOADER = ("--cable", "ft232")
_IO = Attrs(IO_TYPE="LVCMOS33")


class _Revision7Platform(Colorlight_5A75B_R70Platform):
    # Both PHYs have the same reset and MDIO pins, which can be requested once.
    resources = tuple(
        without(r, "rst", "mdc", "mdio") if (r.name, r.number) == ("eth_rgmii", 1) else r
        for r in Colorlight_5A75B_R70Platform.resources
    )


class _Revision8Platform(LatticeECP5Platform):
    """What a TEP needs of revisions 8.0 and 8.2. The latter has a part of speed 7, for which a build for 6 is safe."""

    device = "LFE5U-25F"
    package = "BG256"
    speed = "6"
    default_clk = "clk25"
    # The 25 MHz come from the PHY of port 1, so that nothing may ever reset the PHYs: their reset pin, R6, is left out.
    resources = (
        Resource("clk25", 0, Pins("P6", dir="i"), Clock(25e6), _IO),
        UARTResource(0, tx="T6", rx="R7", attrs=_IO),
        Resource(
            "eth_rgmii",
            0,
            Subsignal("mdc", Pins("R5", dir="o")),
            Subsignal("mdio", Pins("T4", dir="io")),
            Subsignal("tx_clk", Pins("L1", dir="o")),
            Subsignal("tx_ctl", Pins("L2", dir="o")),
            Subsignal("tx_data", Pins("M2 M1 P1 R1", dir="o")),
            Subsignal("rx_clk", Pins("J1", dir="i")),
            Subsignal("rx_ctl", Pins("J2", dir="i")),
            Subsignal("rx_data", Pins("K2 J3 K1 K3", dir="i")),
            _IO,
        ),
        Resource(
            "eth_rgmii",
            1,
            Subsignal("tx_clk", Pins("J16", dir="o")),
            Subsignal("tx_ctl", Pins("K14", dir="o")),
            Subsignal("tx_data", Pins("K16 J15 J14 K15", dir="o")),
            Subsignal("rx_clk", Pins("M16", dir="i")),
            Subsignal("rx_ctl", Pins("P16", dir="i")),
            Subsignal("rx_data", Pins("M15 R16 L15 L16", dir="i")),
            _IO,
        ),
    )
    connectors = ()


COLORLIGHT_5A_75B = Board(
    name="colorlight-5a-75b",
    title="Colorlight 5A-75B, revision 7.0",
    platform=_Revision7Platform,
    oscillator_hz=25_000_000,
    ports=(EthernetPort(0), EthernetPort(1)),
    phy=phys.COLORLIGHT_5A_75B,
    sizes=SIZES_25F,
    timing_model="LFE5U-25F-6",
    loader=_LOADER,
)
COLORLIGHT_5A_75B_R8 = Board(
    name="colorlight-5a-75b-r8",
    title="Colorlight 5A-75B, revision 8.0 or 8.2",
    platform=_Revision8Platform,
    oscillator_hz=25_000_000,
    ports=(EthernetPort(0), EthernetPort(1)),
    phy=phys.COLORLIGHT_5A_75B_R8,
    sizes=SIZES_25F,
    timing_model="LFE5U-25F-6",
    loader=_LOADER,
)
