"""Objects as a view of the store has them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from opentep.host.store import View

from .claims import holders
from .objects import KINDS, Key

__all__ = ["OBJECTS", "REFERRERS", "Reader", "Stored", "to_key", "to_path"]

OBJECTS, REFERRERS = "object/", "by/"


def to_path(key: Key) -> str:
    """An object in the store's keys."""
    return f"{key.kind}/{key.name}"


def to_key(path: str) -> Key:
    """The reverse."""
    kind, _, name = path.partition("/")
    return Key(kind, name)


@dataclass(frozen=True)
class Stored:
    """An object, and the transaction that made it what it is."""

    spec: Any
    revision: int

    @classmethod
    def of(cls, text: str) -> "Stored":
        revision, spec = json.loads(text)
        return cls(spec, revision)

    @property
    def text(self) -> str:
        """As it is stored."""
        return json.dumps([self.revision, self.spec])


class Reader:
    """Remembers what it read: not for a view that changes meanwhile."""

    def __init__(self, view: View):
        self._view = view
        self._known: dict[Key, Stored | None] = {}

    def stored(self, key: Key) -> Stored | None:
        self.fetch((key,))
        return self._known[key]

    def get(self, key: Key) -> Any:
        """What an object is, ``None`` if it is not there."""
        stored = self.stored(key)
        return None if stored is None else stored.spec

    def fetch(self, keys: Iterable[Key]) -> None:
        """Read many at once, for those who will ask for each."""
        unknown = {OBJECTS + to_path(key): key for key in keys if key not in self._known}
        if unknown:
            found = self._view.get_many(unknown)
            for path, key in unknown.items():
                self._known[key] = Stored.of(found[path]) if path in found else None

    def every(self, kind: str | None = None, prefix: str = "") -> dict[Key, Stored]:
        """All objects of a kind, or of all kinds in their order, whose names begin with ``prefix``."""
        found = {
            to_key(path.removeprefix(OBJECTS)): Stored.of(text)
            for each in ([kind] if kind else KINDS)
            for path, text in self._view.scan(f"{OBJECTS}{each}/{prefix}")
        }
        self._known.update(found)
        return found

    def holders(self, claim: str) -> list[Key]:
        """VMs or tenants that have something, see :mod:`.claims`."""
        return holders(self._view, claim)

    def referrers(self, key: Key, kind: str | None = None) -> list[Key]:
        """What of a kind, or of any, names an object."""
        return self.referrers_of((key,), kind)

    def referrers_of(self, keys: Iterable[Key], kind: str | None = None) -> list[Key]:
        """What names any of ``keys``."""
        roots = {f"{REFERRERS}{to_path(key)}/": f"{kind}/" if kind else "" for key in keys}
        found = self._view.scan_many(root + part for root, part in roots.items())
        return [
            to_key(path.removeprefix(root)) for root, part in roots.items() for path, _ in found[root + part]
        ]
