"""Whole boards at wire level, from Amaranth's netlist with models of the FPGA's cells."""

from pathlib import Path

import pytest
from opentep.boards.board import Board
from opentep.boards.catalogue import BOARDS
from opentep.boards.plan import make_plan
from opentep.boards.top import BoardTop
from opentep.sim.cocotb_run import run_cocotb_on, verilog_of
from opentep.sim.ecp5 import MODELS

MODULE = Path(__file__).with_name("wire_level.py")
SIZES = "64 65 66 67 68 128 256 512 1024 1280 1518"


def simulate(board: Board, **parameters: str) -> None:
    platform = board.platform()
    text = verilog_of(make_plan(platform, BoardTop(board)).rtlil)
    run_cocotb_on(
        text,
        "top",
        MODULE,
        models=MODELS,
        parameters={
            "BOARD": board.name,
            "OSCILLATOR": f"{platform.default_clk}_0__io",
            "SPEED": "1e9",
            "PPM": "0",
            "SEED": "1",
            "FRAMES": "100",
            "SIZES": SIZES,
        }
        | parameters,
    )


@pytest.mark.parametrize("ppm", [100, -100])
def test_gigabit(ppm):
    simulate(BOARDS["colorlight-5a-75b"], PPM=str(ppm))


@pytest.mark.parametrize("speed", ["1e8", "1e7"])
def test_slower_speeds(speed):
    simulate(BOARDS["colorlight-5a-75b"], SPEED=speed, FRAMES="20", SIZES="64 1518")


def test_trunk():
    simulate(BOARDS["ecpix5-45"])
