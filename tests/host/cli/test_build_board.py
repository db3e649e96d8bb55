"""`opentep build BOARD` around a small design: reports, exit codes, names."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentep.boards.catalogue import BOARDS
from opentep.gateware.params import Params
from opentep.host.cli import build_board, main

NAME = "colorlight-5a-75b"


def run(*arguments: str):
    return CliRunner().invoke(main, ["build", *arguments])


@pytest.fixture
def small_board(small, monkeypatch, tmp_path):
    """A small design in the place of the TEP, whose receive clock's constraint the test chooses."""
    monkeypatch.chdir(tmp_path)

    def choose(**options):
        monkeypatch.setattr(build_board, "_plan", lambda board, params, number: small.small_plan(**options))

    choose()
    return choose


@pytest.mark.synth
def test_a_build_and_its_report(small_board, tmp_path):
    result = run(NAME, "--seeds", "1", "--param", "macs=1024")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    clocks = {line[0]: line for line in lines if line and line[0] in ("sync", "gigabit", "eth0_rx")}
    assert set(clocks) == {"sync", "gigabit", "eth0_rx"} and clocks["gigabit"][1] == "125.0"
    assert ["block", "RAM", "1", "56"] in lines
    (received,) = [line for line in lines if line[:1] == [f"{NAME}.received"]]
    assert received[2] == "24", "flip-flops"
    assert "slowest path of eth0_rx, from received.value to received.value:" in result.output
    assert "seed 1: packing" in result.stderr and "seed 1: done" in result.stderr
    folder = tmp_path / "build" / NAME
    assert f"build/{NAME}/{NAME}.bit" in result.output and (folder / f"{NAME}.bit").exists()
    written = json.loads((folder / "report.json").read_text())
    assert written["params"]["macs"] == 1024
    assert f"build {written['build']}" in result.output and int(written["build"], 16)
    assert "core: {macs: 1024, stash: 1, clock_hz: 83333333, counted_teps: 0}" in result.output


@pytest.mark.synth
def test_failure_is_exit_code_1_with_json_too(small_board, tmp_path):
    small_board(rx_hz=1e9)
    result = run(NAME, "--seeds", "1", "--json", "-d", str(tmp_path / "here"))
    assert result.exit_code == 1
    assert json.loads(result.stdout)["ok"] is False
    assert "opentep: clock eth0_rx reaches " in result.stderr and "--seeds" in result.stderr
    assert not list((tmp_path / "here").glob("*.bit"))


def test_components_of_a_board(small_board):
    result = run(NAME, "--components", "1", "--json")
    assert result.exit_code == 0, result.output
    areas = {area["name"]: area for area in json.loads(result.stdout)["components"]}
    assert areas[f"{NAME}.received"]["ff"] == 24 and areas[NAME]["block_rams"] == 1


def test_a_wrong_name_gets_a_suggestion():
    result = run("colourlight-5a-75b")
    assert result.exit_code == 2
    assert f"did you mean '{NAME}'?" in result.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("macs=1000", "macs must be a power of two"),
        ("access_ports=3", f"{NAME} has an access and a fabric port"),
    ],
)
def test_a_wrong_parameter_of_a_board(change, message):
    result = run(NAME, "--param", change)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize("arguments", [[], [NAME, "--core-only"], ["--list", "--core-only"]])
def test_what_to_build_must_be_clear(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "one of BOARD, --list and --core-only" in result.output


def test_list():
    result = run("--list")
    assert result.exit_code == 0
    for board in BOARDS.values():
        assert f"{board.name} " in result.output and board.title in result.output
    listed = json.loads(run("--list", "--json").output)["boards"]
    assert [board["name"] for board in listed] == list(BOARDS)
    assert listed[0]["device"] == "LFE5U-25F-6"
    documented = (Path(__file__).parents[3] / "docs" / "boards.md").read_text()
    for board, row in zip(BOARDS.values(), listed, strict=True):
        assert Params(**row["core"]) == board.params
        core = ", ".join(f"{name}: {value}" for name, value in row["core"].items())
        assert f"| `{{{core}}}` |" in documented


@pytest.mark.parametrize("command", ["build", "flash"])
def test_completion_of_board_names(command):
    environment = os.environ | {
        "_OPENTEP_COMPLETE": "bash_complete",
        "COMP_WORDS": f"opentep {command} colo",
        "COMP_CWORD": "2",
    }
    program = "from opentep.host.cli import main; main(prog_name='opentep')"
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    offered = [line.partition(",")[2] for line in result.stdout.splitlines()]
    assert offered == [name for name in BOARDS if name.startswith("colo")]
