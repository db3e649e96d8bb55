"""Progress of a build: lines that grow on a terminal, one line per stage elsewhere."""

import io

from opentep.host.cli import build_progress
from rich.console import Console

STATES = (
    ("seed 1", "placing, iteration 1"),
    ("seed 2", "placing, iteration 1"),
    ("seed 1", "placing, iteration 2"),
    ("seed 1", "routing, 500 arcs left"),
    ("seed 2", "done"),
    ("seed 1", "routing, 20 arcs left"),
)


def tell() -> None:
    with build_progress.build_progress() as progress:
        for task, state in STATES:
            progress(task, state)


def test_elsewhere(capsys):
    tell()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "   0 s  seed 1: placing",
        "   0 s  seed 2: placing",
        "   0 s  seed 1: routing",
        "   0 s  seed 2: done",
    ]


def test_on_a_terminal(monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr(build_progress, "stderr_console", lambda: console)
    tell()
    last = screen.getvalue().rsplit("seed 1", 1)[1]
    assert "routing, 20 arcs left" in last and "✓ seed 2" in screen.getvalue()
    assert "done" in last and "0:00:00" in last
