"""The Ethernet PHYs of the boards. Data only; nothing here has been tried on hardware by this project.

Delays are those with which LiteX runs on the same board (``litex_boards/targets`` of litex-hub/litex-boards, where a
delay that is not given is 2 ns by ``liteeth/phy/ecp5rgmii.py``), with the PHY as it comes out of reset. No public
source was found for the addresses that the boards' straps choose: PHYs are looked for.
"""

from dataclasses import replace

from ..gateware.phy.description import PhyDescription, RegisterWrite

__all__ = ["BUTTERSTICK", "COLORLIGHT_5A_75B", "COLORLIGHT_5A_75B_R8", "ECPIX5", "LOGICBONE", "VERSA_ECP5"]

_RESET_US = 10_000
"""Longer than any of the data sheets wants: KSZ9031RNX 10 ms (DS00002117, reset timing), the others less."""
_SETTLE_US = 100_000
"""Far longer than the KSZ9031RNX's 100 µs (the same section); so that also those of whose time nothing public was
found have latched their straps, and answer when they are looked for."""

COLORLIGHT_5A_75B = PhyDescription(
    # Two, with common MDC, MDIO and reset: q3k/chubby75, 5a-75b/hardware_V7.0.md. colorlight_5a_75x.py: tx_delay 0. The
    # PHY delays TXC itself unless shadow register 3 of 0x1C says otherwise (Linux, bcm54xx_config_clock_delay).
    # The board's clock comes from a crystal pin of one of them (q3k/chubby75, issue 32), which stops on the related
    # 5A-75E while they are reset (litex-boards, pull request 104).
    name="Broadcom B50612D",
    reset_us=None,
    settle_us=_SETTLE_US,
    rx_delay_ps=2000,
    tx_delay_ps=0,
    # Long frames, as Linux does it for the family (bcm_phy_enable_jumbo): shadow 0 of 0x18, chosen for reading by the
    # first write, extended length; then the elastic FIFO of the other direction, from 4.5 to 10 KB.
    writes=(
        RegisterWrite(0x18, 0x0007),
        RegisterWrite(0x18, 0x4000, 0x4007),
        RegisterWrite(0x10, 0x0001, 0x0001),
    ),
)

COLORLIGHT_5A_75B_R8 = PhyDescription(
    # RTL8211FD, RTL8211FP on 8.2: q3k/chubby75, 5a-75b/hardware_V8.0.md and hardware_V8.2.md. The same LiteX target.
    # They are at 1 to 7, and all of them answer at 0 as well (RTL8211F data sheet 1.2, table 11, note 1).
    name="Realtek RTL8211FD",
    reset_us=_RESET_US,
    settle_us=_SETTLE_US,
    rx_delay_ps=2000,
    tx_delay_ps=0,
    first_address=1,
)

VERSA_ECP5 = PhyDescription(
    # Two, each with pins of its own: amaranth_boards/versa_ecp5.py. lattice_versa_ecp5.py: both delays 0. The PHY
    # delays both ways: bits 5 and 4 of register 21 on page 2 (Linux, m88e1121_config_aneg_rgmii_delays).
    name="Marvell 88E1512",
    reset_us=_RESET_US,
    settle_us=_SETTLE_US,
    rx_delay_ps=0,
    tx_delay_ps=0,
)


def _mmd0(register: int, value: int) -> tuple[RegisterWrite, ...]:
    """A write of a register of MMD device address 0 through registers 13 and 14 (IEEE 802.3, 22.2.4.3.11)."""
    return (
        RegisterWrite(13, 0x0000),
        RegisterWrite(14, register),
        RegisterWrite(13, 0x4000),
        RegisterWrite(14, value),
    )


_KSZ9031RNX = PhyDescription(
    name="Microchip KSZ9031RNX",
    reset_us=_RESET_US,
    settle_us=_SETTLE_US,
    rx_delay_ps=0,
    tx_delay_ps=2000,
    # Bursts of link pulses every 16 ms instead of 8, without which some partners find no link or only late; then
    # auto-negotiation anew (DS00002117, "Auto-Negotiation Fast Link Pulse (FLP) Timing").
    writes=(*_mmd0(4, 0x0006), *_mmd0(3, 0x1A80), RegisterWrite(0, 0x0200, 0x0200)),
)

ECPIX5 = _KSZ9031RNX
"""lambdaconcept_ecpix5.py: rx_delay 0."""

BUTTERSTICK = _KSZ9031RNX
"""litex-boards pull request 372: rx_delay 0, since the PHY delays RXC by 1.2 ns; with 2 ns frames were lost."""

LOGICBONE = replace(_KSZ9031RNX, rx_delay_ps=2000)
"""KSZ9031RNXCA: oskirby/logicbone, README and ethernet.sch. logicbone.py: both delays 2 ns, though the ButterStick with
the same PHY wants 0; but its RXC is on no clock pin, and late. On prototypes its reset is not the FPGA's
(amaranth_boards/logicbone.py)."""
