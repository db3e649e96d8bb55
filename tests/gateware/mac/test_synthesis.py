"""Size and clock of the MACs on LFE5U-25F speed 6, out of context; prints what comes out (`pytest -s -m synth`)."""

import json
from pathlib import Path

import pytest
from amaranth.lib.wiring import Component
from opentep.boards.build import build_component
from opentep.boards.synthesis import STATISTICS
from opentep.gateware.mac.receiver import Receiver
from opentep.gateware.mac.transmitter import Transmitter
from opentep.gateware.mac.xgmii_ethernet import XgmiiEthernetMac

LUT4_1G, MHZ_1G = 333, 166
"""Receiver and transmitter together: what the best MAC known to us takes."""
LUT4_10G, MHZ_10G = 3455, 156.25
"""With clock crossings: what a MAC known to us takes, besides 6 block RAMs, at 89 MHz; and what the wire wants."""
RAM = "DP16KD"


def build(component: Component, mhz: float, where: Path) -> int:
    """Four-input tables, as yosys counts them."""
    report = build_component(component, "LFE5U-25F-6", frequency=mhz, directory=where)
    text = (where / STATISTICS).read_text()
    cells = json.loads(text[text.index("{") :])["design"]["num_cells_by_type"]
    print(f"{type(component).__name__}: {cells['LUT4']} LUT4, {report.cells}, {report.fmax} MHz")
    assert report.median > mhz
    assert RAM not in cells
    return cells["LUT4"]


@pytest.mark.synth
@pytest.mark.long
def test_1g(tmp_path):
    receiver = build(Receiver(), MHZ_1G, tmp_path / "receiver")
    assert receiver + build(Transmitter(), MHZ_1G, tmp_path / "transmitter") < LUT4_1G


@pytest.mark.synth
@pytest.mark.long
def test_10g(tmp_path):
    """The slowest of its three clocks counts."""
    assert build(XgmiiEthernetMac(64), MHZ_10G, tmp_path) < LUT4_10G
