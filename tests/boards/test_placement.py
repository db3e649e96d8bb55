"""What the progress says, from lines that nextpnr prints."""

import pytest
from opentep.boards.placement import place_and_route
from opentep.boards.tools import Cancel, ToolError

LINES = {
    "Info:     at initial placer iter 0, wirelen = 312": None,
    "Info:     at iteration #12, type ALL: wirelen solved = 325, spread = 1273, legal = 6341; time = 0.01s": (
        "placing, iteration 12"
    ),
    "Info:   at iteration #25: temp = 0.000000, timing cost = 83, wirelen = 639": "refining, iteration 25",
    "Info: Routing 343 arcs.": "routing, 343 arcs left",
    "Info:       1000 |       68        931 |   68   931 |     60123|       1.36       1.36|": (
        "routing, 60123 arcs left"
    ),
    "Info: [   317,   4162) |****************************************** ": None,
}


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a shell script in the place of nextpnr."""

    def make(script: str) -> None:
        path = tmp_path / "nextpnr"
        # A tool from PyPI is asked for its version before it is used, which compiles it.
        path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit\n{script}\n')
        path.chmod(0o755)
        monkeypatch.setattr("opentep.boards.tools.find_tool", lambda name, extra="build": str(path))

    return make


@pytest.mark.parametrize(("line", "state"), LINES.items())
def test_states(program, tmp_path, line, state):
    program(f"echo '{line}'; echo '{{}}' > report-3.json")
    told = []
    place_and_route(tmp_path, [], 3, progress=lambda task, state: told.append((task, state)))
    expected = ["packing", *([state] if state else []), "done"]
    assert told == [("seed 3", state) for state in expected]


def test_missed_timing_is_no_error_but_a_missing_report_is(program, tmp_path):
    program("echo '{\"fmax\": {}}' > report-3.json; echo 'ERROR: Max frequency'; exit 1")
    placement = place_and_route(tmp_path, [], 3)
    assert placement.report == {"fmax": {}} and placement.log == "ERROR: Max frequency\n"
    program("echo 'ERROR: Unable to place cell'; exit 1")
    with pytest.raises(ToolError, match="failed with exit code 1") as error:
        place_and_route(tmp_path, [], 3)
    assert "Unable to place cell" in str(error.value)


def test_an_earlier_report_does_not_count(program, tmp_path):
    (tmp_path / "report-3.json").write_text("{}")
    program("exit 1")
    with pytest.raises(ToolError):
        place_and_route(tmp_path, [], 3)


@pytest.mark.timeout(120)
def test_a_cancelled_run_ends_at_once(program, tmp_path):
    cancel = Cancel()
    program("echo 'Info: Routing 5 arcs.'; exec sleep 600")

    def stop(task: str, state: str) -> None:
        if state.startswith("routing"):
            cancel()

    with pytest.raises(ToolError, match="was cancelled"):
        place_and_route(tmp_path, [], 3, progress=stop, cancel=cancel)
    with pytest.raises(ToolError, match="was cancelled"):
        place_and_route(tmp_path, [], 3, cancel=cancel)
