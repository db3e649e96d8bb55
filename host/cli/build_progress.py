"""Progress of a build: a line per task on a terminal, a line per stage elsewhere."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from opentep.boards.tools import Progress
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from .output import stderr_console

__all__ = ["build_progress"]

_DONE = "done"


@contextmanager
def build_progress() -> Iterator[Progress]:
    """Shows what it is told on standard error, from any thread."""
    console = stderr_console()
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}
        lock = threading.Lock()

        def update(task: str, state: str) -> None:
            with lock:
                if task not in tasks:
                    tasks[task] = bars.add_task(task, total=1, state="")
                bars.update(tasks[task], state=state, completed=int(state == _DONE))

        yield update


class _Lines:
    """Tells of the stages alone: numbers of iterations would fill pages."""

    def __init__(self) -> None:
        self._stages: dict[str, str] = {}
        self._lock = threading.Lock()
        self._begin = time.monotonic()

    def __call__(self, task: str, state: str) -> None:
        stage = state.partition(",")[0]
        with self._lock:
            if self._stages.get(task) != stage:
                self._stages[task] = stage
                elapsed = time.monotonic() - self._begin
                click.echo(f"{elapsed:4.0f} s  {task}: {stage}", err=True)
