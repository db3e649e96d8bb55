"""The command that a user of the smallest board gives, from the sources to a bitstream that keeps its clocks."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.synth, pytest.mark.long, pytest.mark.timeout(5400)]

BOARD = "colorlight-5a-75b"


def test_a_bitstream_of_the_whole_board(tmp_path):
    command = [sys.executable, "-m", "opentep.host.cli", "build", BOARD, "-d", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads((tmp_path / "report.json").read_text())
    for clock in report["clocks"]:
        print(f"{clock['name']}: {clock['achieved_mhz']:.1f} of {clock['need_mhz']:.1f} MHz")
    assert {clock["name"] for clock in report["clocks"]} == {"sync", "gigabit", "eth0_rx", "eth1_rx", "input"}
    assert all(clock["achieved_mhz"] >= clock["need_mhz"] for clock in report["clocks"])
    assert (tmp_path / f"{BOARD}.bit").stat().st_size > 100_000
