"""The behavioural models of ECP5 cells do what they claim."""

from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib import wiring
from opentep.gateware.tables.memory import BlockRAM
from opentep.gateware.target import Ecp5Target
from opentep.sim.cocotb_run import run_cocotb_on, verilog_of
from opentep.sim.ecp5 import MODELS

HERE = Path(__file__).parent
SHAPES = [(72, 512), (45, 600), (18, 1024), (9, 2048), (4, 4096), (36, 1024), (2, 8192), (1, 16384)]


def test_cells():
    run_cocotb_on((HERE / "bench.v").read_text(), "bench", HERE / "cells.py", models=MODELS)


class Rams(wiring.Component):
    """One block RAM per shape."""

    def __init__(self):
        self.rams = [BlockRAM(*shape) for shape in SHAPES]
        super().__init__({f"ram{number}": wiring.Out(ram.signature) for number, ram in enumerate(self.rams)})

    def elaborate(self, platform):
        m = Module()
        for number, ram in enumerate(self.rams):
            m.submodules[f"ram{number}"] = ram
            wiring.connect(m, wiring.flipped(getattr(self, f"ram{number}")), ram)
        return m


def test_rams():
    text = verilog_of(rtlil.convert(Rams(), name="rams", platform=Ecp5Target()))
    assert "DP16KD" in text
    shapes = " ".join(f"{width}x{depth}" for width, depth in SHAPES)
    run_cocotb_on(text, "rams", HERE / "rams.py", models=MODELS, parameters={"SHAPES": shapes})
