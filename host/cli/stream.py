"""What commands share that hand on what a TEP tells, as it tells it, until somebody ends them."""

import io
import math
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click
from opentep.host.driver import Driver
from opentep.host.tables import TepTables

from .target import Target

__all__ = ["Output", "Watch", "count_option", "duration_option", "known_tables", "watch"]

_PAUSE = 0.02
"""Seconds between two looks at a TEP that had nothing: far less than a person notices."""


def count_option(what: str):  # type: ignore[no-untyped-def]
    """``--count``."""
    return click.option("-c", "--count", type=click.IntRange(min=1), help=f"End after so many {what}.")


duration_option = click.option(
    "-d", "--duration", type=click.FloatRange(min=0), metavar="SECONDS", help="End after this time."
)


class Output:
    """The file or pipe that a stream goes to."""

    def __init__(self, file: IO[Any]):
        self._file = file
        self._poll = select.poll()
        try:
            self._poll.register(file, 0)
        except (io.UnsupportedOperation, OSError):
            pass  # no file of the operating system: nobody can go away

    def wait(self, seconds: float) -> bool:
        """Pause. Whether anyone still reads."""
        return not self._poll.poll(seconds * 1000)

    def abandon(self) -> None:
        """Nobody reads any more: what is still in the buffer shall not fail once more when the program ends."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._file.fileno())


class Watch:
    """Tells when a stream has an end: after ``duration`` seconds, by SIGINT or SIGTERM, or when nobody reads."""

    def __init__(self, output: Output, duration: float | None, came: list[int]):
        self._output = output
        self._end = math.inf if duration is None else time.monotonic() + duration
        self._came = came

    def goes_on(self, *, found: bool) -> bool:
        """Look for reasons to end; pause if nothing was ``found``."""
        left = self._end - time.monotonic()
        return not self._came and left > 0 and self._output.wait(0 if found else min(_PAUSE, left))


@contextmanager
def watch(output: Output, duration: float | None) -> Iterator[Watch]:
    """Take SIGINT and SIGTERM as a wish to end, so that nothing is left half written."""
    came: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(each, lambda number, _: came.append(number)) for each in signals]
    try:
        yield Watch(output, duration, came)
    except BrokenPipeError:
        output.abandon()
    finally:
        for each, handler in zip(signals, previous, strict=True):
            signal.signal(each, handler)


def known_tables(target: Target, driver: Driver) -> TepTables:
    """The document's if it fits the TEP, with its names; else what the TEP holds."""
    if target.tables is not None and len(target.tables.ports) == driver.params.ports:
        return target.tables
    return driver.read(macs=False).tables
