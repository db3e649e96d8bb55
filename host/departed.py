"""What a TEP held until lately: frames that were judged by it may still wait in its queues."""

import time

from opentep.host.tables import Local, TepTables
from opentep.host.transition import vacate

__all__ = ["Departed", "gives_up"]


def gives_up(held: TepTables, desired: TepTables) -> bool:
    """Whether some number that means someone in ``held`` is free in ``desired``."""
    return bool(_numbers(held) - _numbers(desired))


def _numbers(tables: TepTables) -> set[tuple[str, object]]:
    return {
        *(("tep", tep.index) for tep in tables.teps),
        *(("tenant", tenant.index) for tenant in tables.tenants),
        *(("list", index) for index in tables.list_users()),
        *(("place", entry.place) for entry in tables.macs if isinstance(entry.place, Local)),
    }


class Departed:
    """Tables that a TEP held, each for as long as frames may wait that were judged by them."""

    def __init__(self) -> None:
        self._tables: list[tuple[float, TepTables]] = []

    def add(self, tables: TepTables, seconds: float) -> None:
        """Frames wait for so long from now on."""
        self._tables.append((time.monotonic() + seconds, tables))

    def clear(self) -> None:
        """No frame waits any more."""
        self._tables.clear()

    def seconds_before(self, desired: TepTables) -> float:
        """How long no number must be given to those that have it in ``desired``."""
        now = time.monotonic()
        self._tables = [(until, tables) for until, tables in self._tables if until > now]
        meant_others = (until for until, tables in self._tables if vacate(tables, desired) is not tables)
        return max(meant_others, default=now) - now
