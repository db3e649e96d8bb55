"""Output: rich on a terminal, plain text elsewhere, JSON on request."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

__all__ = [
    "Advance",
    "Cell",
    "make_table",
    "print_json",
    "print_table",
    "progress_bar",
    "stderr_console",
    "stdout_console",
]

Cell = str | int


class Advance(Protocol):
    """Told how much of how much is done."""

    def __call__(self, done: int, total: int) -> None: ...


def stdout_console() -> Console:
    """Made anew each time, for whatever standard output is then (tests and pagers replace it)."""
    return Console(highlight=False)


def stderr_console() -> Console:
    """For people, where standard output is a document for programs."""
    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """For programs; `jq` and friends."""
    click.echo(json.dumps(value, indent=2))


def _plain(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    lines = [[column.upper() for column in columns], *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, title: str = "", console: Console | None = None
) -> None:
    """A table for people on a terminal, aligned columns for pipes."""
    console = console or stdout_console()
    if not console.is_terminal:
        if title:
            click.echo(f"# {title}")
        for line in _plain(columns, rows):
            click.echo(line)
        return
    console.print(make_table(columns, rows, title=title))


def make_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, title: str = "") -> Table:
    """A table for a terminal."""
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        number = bool(rows) and all(isinstance(row[index], int) for row in rows)
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    return table


@contextmanager
def progress_bar(what: str) -> Iterator[Advance]:
    """A progress bar on standard error if that is a terminal, else silence."""
    console = stderr_console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield advance
