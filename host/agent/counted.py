"""What TEPs count, for everybody who looks into the store."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from opentep.host.controller import Repository
from opentep.host.store import Store

__all__ = ["STALE_SECONDS", "Counted", "counted"]

STALE_SECONDS = 120.0
"""Of nobody who is well; what is older says nothing about now."""

_NOTES = "counters/"


def _rates(before: Any, after: Any, seconds: float) -> Any:
    """Increments per second, in the same form. What has begun anew, or was not there, has none."""
    if isinstance(after, dict):
        known = before if isinstance(before, dict) else {}
        return {name: _rates(known.get(name), value, seconds) for name, value in after.items()}
    if not isinstance(before, int) or after < before:
        return 0.0
    return round((after - before) / seconds, 3)


@dataclass(frozen=True)
class Counted:
    """The counters of a TEP, as its agent read them last."""

    tep: str
    time: str
    """UTC, ISO 8601."""
    counters: dict[str, Any]
    """In the form of :meth:`opentep.host.driver.Driver.counters`."""
    rates: dict[str, Any]
    """Increments per second since the time before, in the same form."""

    @classmethod
    def since(cls, before: "Counted | None", tep: str, time: str, counters: dict[str, Any]) -> "Counted":
        """With rates since ``before``."""
        seconds = _seconds(before.time, time) if before else 0.0
        return cls(
            tep, time, counters, _rates(before.counters if before and seconds > 0 else {}, counters, seconds)
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def store(self, store: Store) -> None:
        """In place of the one before."""
        store.note(_NOTES + self.tep, json.dumps(self.as_dict()))

    @staticmethod
    def forget(tep: str, store: Store) -> None:
        """When nobody knows what it counts."""
        store.note(_NOTES + tep, None)


def _seconds(before: str, after: str) -> float:
    return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()


def counted(repository: Repository) -> dict[str, Counted]:
    """Of all agents that have told within the last minutes, by TEP."""
    notes = repository.store.notes(_NOTES)
    found = (Counted(**json.loads(text)) for text in notes.values())
    teps = {key.name for key in repository.objects("teps")}
    now = datetime.now(UTC).isoformat()
    return {told.tep: told for told in found if told.tep in teps and _seconds(told.time, now) < STALE_SECONDS}
