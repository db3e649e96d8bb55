"""Whole boards at wire level, from Amaranth's netlist with models of the FPGA's cells."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from opentep.boards.board import Board
from opentep.boards.catalogue import BOARDS
from opentep.boards.plan import make_plan
from opentep.boards.top import BoardTop
from opentep.sim.cocotb_run import run_cocotb_on, verilog_of
from opentep.sim.ecp5 import MODELS

# A whole board is built and simulated octet by octet.
pytestmark = pytest.mark.timeout(1800)

HERE = Path(__file__).parent
SIZES = "64 65 66 67 68 128 256 512 1024 1280 1518"
SPEEDS = {"1e9": 2, "1e8": 1, "1e7": 0}


def harness(text: str, board: Board, speed: int) -> str:
    """The board's pins with its MDIO buses closed: a PHY per port, with a link if ``up`` says so, and the pull-up."""
    module = text[text.index("module top(") :].partition("endmodule")[0]
    ports = re.findall(r"^  (input|output|inout) (\[\d+:\d+\] )?(\S+);", module, re.MULTILINE)
    outside = [f"{way} {size}{name}" for way, size, name in ports if way != "inout"]
    buses = [name for way, _, name in ports if way == "inout"]
    outside.append(f"input [{len(board.ports) - 1}:0] up")
    per_bus = len(board.ports) // len(buses)
    phys = [
        f"  pullup ({bus});\n" + "".join(
            f"  mdio_phy #(.ADDRESS({address})) {bus}_phy{address}"
            f" (.mdc({bus.replace('mdio', 'mdc')}), .mdio({bus}),"
            f" .up(up[{number * per_bus + address}]), .speed(2'd{speed}));\n"
            for address in range(per_bus)
        )
        for number, bus in enumerate(buses)
    ]  # fmt: skip
    connections = ", ".join(f".{name}({name})" for _, _, name in ports)
    wires = "".join(f"  wire {bus};\n" for bus in buses)
    return (
        f"module bench({', '.join(outside)});\n{wires}{''.join(phys)}"
        f"  top top ({connections});\nendmodule\n{text}"
    )


def simulate(name: str, *, speed: str = "1e9", **parameters: str) -> None:
    board = BOARDS[name]
    # But for the time that the PHYs take to come out of reset.
    quick = replace(board, phy=replace(board.phy, reset_us=board.phy.reset_us and 5, settle_us=5))
    platform = board.platform()
    text = verilog_of(make_plan(platform, BoardTop(quick)).rtlil)
    run_cocotb_on(
        harness(text, board, SPEEDS[speed]),
        "bench",
        HERE / "wire_level.py",
        models=(*MODELS, HERE / "mdio_phy.v"),
        parameters={
            "BOARD": name,
            "OSCILLATOR": f"{platform.default_clk}_0__io",
            "SPEED": speed,
            "PPM": "0",
            "SEED": "1",
            "FRAMES": "60",
            "SIZES": SIZES,
            "REPEATS": "1",
        }
        | parameters,
    )


@pytest.mark.parametrize("ppm", [100, pytest.param(-100, marks=pytest.mark.long)])
def test_gigabit(ppm):
    simulate("colorlight-5a-75b", PPM=str(ppm))


@pytest.mark.long
def test_gigabit_for_a_while():
    simulate("colorlight-5a-75b", PPM="100", REPEATS="30")


@pytest.mark.long
@pytest.mark.parametrize("speed", ["1e8", "1e7"])
def test_slower_speeds(speed):
    simulate("colorlight-5a-75b", speed=speed, FRAMES="20", SIZES="64 1518")


@pytest.mark.long
def test_trunk():
    simulate("ecpix5-45")
