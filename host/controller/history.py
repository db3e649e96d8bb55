"""What transactions changed, for people who ask and for those whom it may concern."""

import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opentep.host.store import Transaction, View

from .changes import Change
from .objects import Key, references
from .reader import to_key, to_path

__all__ = ["Entry", "changes_of", "concerns", "entries", "keep", "timestamp"]

_LOG = "log/"
_TOUCHED = "touched/"
"""What each revision has to do with: all that agents read of a change that is none of theirs."""

_MANY = 500
"""Changes at once that take longer to look through than tables to make."""


@dataclass(frozen=True)
class Entry:
    """What one transaction changed."""

    revision: int
    time: str
    """UTC, ISO 8601."""
    author: str
    action: str
    """What the author did, as a command line."""
    changes: int

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def timestamp() -> str:
    """Now, as the log and reports tell it: UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _log_key(revision: int) -> str:
    return f"{_LOG}{revision:012}"


def _touched_key(revision: int) -> str:
    return f"{_TOUCHED}{revision:012}"


def entries(view: View, revisions: Iterable[int]) -> list[Entry]:
    """Those of ``revisions`` that there are."""
    keys = [_log_key(number) for number in revisions]
    found = view.get_many(keys)
    return [Entry(**json.loads(found[key])) for key in keys if key in found]


def changes_of(view: View, revision: int) -> list[Change]:
    """By key."""
    root = f"{_log_key(revision)}/"
    found = ((to_key(path.removeprefix(root)), json.loads(text)) for path, text in view.scan(root))
    return [Change(key, change["before"], change["after"]) for key, change in found]


def keep(transaction: Transaction, entry: Entry, changes: Sequence[Change]) -> None:
    """For good."""
    transaction.put(_log_key(entry.revision), json.dumps(entry.as_dict()))
    transaction.put(_touched_key(entry.revision), json.dumps(_touched(changes)))
    for change in changes:
        both = {"before": change.before, "after": change.after}
        transaction.put(f"{_log_key(entry.revision)}/{to_path(change.key)}", json.dumps(both))


def _touched(changes: Sequence[Change]) -> list[str] | None:
    """Objects that have to do with ``changes``, by path; ``None``: it may be any."""
    if len(changes) > _MANY or any(change.key.kind == "settings" for change in changes):
        return None
    named = {change.key for change in changes}
    for change in changes:
        for spec in (change.before, change.after):
            named.update(() if spec is None else references(change.key, spec))
    return sorted(map(to_path, named))


def concerns(view: View, part: Set[Key], revisions: Iterable[int]) -> bool:
    """Whether what was changed in ``revisions`` may have changed what follows from the objects ``part``."""
    keys = [_touched_key(number) for number in revisions]
    found = view.get_many(keys)
    paths = set(map(to_path, part))
    for key in keys:
        touched = json.loads(found.get(key, "null"))  # former versions kept none
        if touched is None or not paths.isdisjoint(touched):
            return True
    return False
