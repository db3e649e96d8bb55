"""Tables for people and for pipes."""

import io

import pytest
from opentep.host.cli.output import print_table, progress_bar
from rich.console import Console


def test_plain_output_is_aligned_and_without_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "count"), [("a", 1), ("long name", 22)], title="Things")
    assert capsys.readouterr().out == "# Things\nNAME       COUNT\na          1\nlong name  22\n"


def test_a_terminal_gets_a_table_and_no_colour_if_so_wished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = io.StringIO()
    print_table(("name",), [("[bold]x",)], console=Console(file=text, force_terminal=True, width=40))
    assert "[bold]x" in text.getvalue(), "content is no markup"
    assert "\x1b[3" not in text.getvalue()


def test_no_progress_bar_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("working") as progress:
        progress(1, 2)
    assert capsys.readouterr() == ("", "")
