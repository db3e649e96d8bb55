"""Makes the adapter's own objects what they should be, as far as the fabric takes them.

All at once, if it does. What it refuses is left out with all that needs it, and the rest is tried again: one wrong row
of a controller must not hold up the others. Whoever cannot be where he should is not left where he was.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from opentep.host.controller.objects import KINDS, Key, references
from opentep.host.fabric.errors import FabricError, Problem

__all__ = ["Edit", "Settlement"]

Edit = tuple[Key, Any]
"""An object, and what it is to be; ``None``: nothing any more."""

_PLACES = ("vswitches", "vms")
"""What is somewhere: it goes if it cannot change. A tenant or a TEP stays as it was."""


def _rank(key: Key) -> tuple[int, Key]:
    return KINDS.index(key.kind), key


def _named(problem: Problem, keys: Mapping[Key, Any]) -> Key | None:
    """Which of ``keys`` a problem is told of."""
    return key if (key := _subject(problem)) in keys else None


def _subject(problem: Problem) -> Key | None:
    """The object that a problem is told of."""
    return Key(str(problem.keys[0]), str(problem.keys[1])) if len(problem.keys) > 1 else None


class Settlement:
    """From the objects ``own`` to ``wanted``.

    ``edit``  makes changes, all or none; raises :class:`~opentep.host.fabric.errors.FabricError`.
    ``get``   what any object of the fabric is.
    """

    def __init__(
        self,
        own: Mapping[Key, Any],
        wanted: Mapping[Key, Any],
        edit: Callable[[list[Edit]], None],
        get: Callable[[Key], Any],
    ):
        self._own = own
        self._wanted = dict(wanted)
        self._edit = edit
        self._get = get
        self._kept: set[Key] = set()
        self.refused: dict[Key, str] = {}
        """Why, by object."""
        self.changed = 0
        """Objects that were."""

    def run(self) -> None:
        """As much as can be done."""
        while edits := self._edits():
            try:
                self._edit(edits)
            except FabricError as error:
                if not self._leave_out(dict(edits), error.problems):
                    return self._one_by_one(edits)
            else:
                self.changed += len(edits)
                return None
        return None

    def _edits(self) -> list[Edit]:
        """What is to be done, in an order in which each can be done by itself."""
        gone = sorted(self._own.keys() - self._wanted.keys() - self._kept, key=_rank, reverse=True)
        edits: list[Edit] = [(key, None) for key in gone]
        changed = (key for key, spec in self._wanted.items() if self._own.get(key) != spec)
        return edits + [(key, self._wanted[key]) for key in sorted(changed, key=_rank)]

    def _leave_out(self, edits: dict[Key, Any], problems: Iterable[Problem]) -> bool:
        """Whether any of ``edits`` is to blame."""
        blamed = False
        for problem in problems:
            for key in self._blamed(edits, problem):
                self._refuse(key, edits[key], problem.message)
                blamed = True
        return blamed

    def _blamed(self, edits: dict[Key, Any], problem: Problem) -> Iterator[Key]:
        key = _named(problem, edits)
        if key is not None:
            yield key
            return
        # Somebody else needs what was to go.
        other = _subject(problem)
        spec = self._get(other) if other is not None and other.kind in KINDS else None
        if other is not None and spec is not None:
            yield from (named for named in references(other, spec) if edits.get(named, edits) is None)

    def _refuse(self, key: Key, spec: Any, reason: str) -> None:
        self.refused.setdefault(key, reason)
        if spec is None:
            self._kept.add(key)
        elif key in self._own and key.kind not in _PLACES:
            self._wanted[key] = self._own[key]
        else:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        """With all that names it."""
        self._wanted.pop(key, None)
        for other in [other for other, spec in self._wanted.items() if key in references(other, spec)]:
            self.refused.setdefault(other, f"there is no {key.title}")
            if other in self._own and other.kind not in _PLACES:
                self._wanted[other] = self._own[other]
            else:
                self._drop(other)

    def _one_by_one(self, edits: list[Edit]) -> None:
        """Nobody can be blamed: each by itself."""
        for key, spec in edits:
            try:
                self._edit([(key, spec)])
            except FabricError as error:
                self.refused.setdefault(key, "; ".join(problem.message for problem in error.problems))
                if spec is not None and key in self._own and key.kind in _PLACES:
                    self._one_by_one([(key, None)])
            else:
                self.changed += 1
