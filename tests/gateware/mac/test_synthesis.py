"""Size and clock of the MAC on LFE5U-25F speed 6, out of context; prints what comes out (`pytest -s -m synth`)."""

import json
from pathlib import Path

import pytest
from amaranth.lib.wiring import Component
from opentep.boards.build import build_component
from opentep.boards.synthesis import STATISTICS
from opentep.gateware.mac.receiver import Receiver
from opentep.gateware.mac.transmitter import Transmitter

LUT4 = 333
"""Receiver and transmitter together: what the best MAC known to us takes."""
MHZ = 166


def build(component: Component, where: Path) -> int:
    """Four-input tables, as yosys counts them."""
    report = build_component(component, "LFE5U-25F-6", frequency=MHZ, directory=where)
    text = (where / STATISTICS).read_text()
    cells = json.loads(text[text.index("{") :])["design"]["num_cells_by_type"]
    print(f"{type(component).__name__}: {cells['LUT4']} LUT4, {report.cells}, {report.fmax} MHz")
    assert report.median > MHZ
    return cells["LUT4"]


@pytest.mark.synth
@pytest.mark.long
def test_1g(tmp_path):
    receiver = build(Receiver(), tmp_path / "receiver")
    assert receiver + build(Transmitter(), tmp_path / "transmitter") < LUT4
