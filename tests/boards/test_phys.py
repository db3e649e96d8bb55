# amaranth: UnusedElaboratable=no
"""Every PHY of the boards can be managed, and its delays are ones that the pads have."""

import pytest
from amaranth.hdl import IOPort
from amaranth.lib import io
from opentep.boards import phys
from opentep.gateware.phy.rgmii_pads import RgmiiPads, RgmiiPins
from opentep.gateware.phy.startup import PhyBus


@pytest.mark.parametrize("name", phys.__all__)
def test_phys(name):
    phy = getattr(phys, name)
    assert phy.name
    PhyBus(phy, 1, 125_000_000)
    pins = RgmiiPins(*(io.SingleEndedPort(IOPort(1, name=f"pin{pin}")) for pin in range(6)))
    delays = {"rx_delay_ps": phy.rx_delay_ps, "tx_delay_ps": phy.tx_delay_ps}
    RgmiiPads(pins, rx_domain="rx", tx_domain="tx", **delays)
