"""Keeps a fabric and a database `hardware_vtep` in agreement, for controllers that drive hardware VTEPs."""

import logging
import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from typing import Any

from opentep.host.agent import learned
from opentep.host.agent.backoff import Backoff
from opentep.host.controller import Repository
from opentep.host.controller.objects import KINDS, Key
from opentep.host.fabric.errors import FabricError
from opentep.host.ovsdb import Ovsdb, OvsdbError
from opentep.host.store import StoreError, open_store

from .derive import Derived, Document, Refusal, derive
from .publish import Learned, operations, published
from .rows import DATABASE, WATCHED, Rows

__all__ = ["Adapter", "Edit", "settle"]

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
"""At the store, then at the database: how long a change of the one may wait, and a stop."""

Edit = tuple[Key, Any]
"""An object, and what it is to be; ``None``: nothing any more."""


def _edits(now: dict[Key, Any], wanted: dict[Key, Any]) -> list[Edit]:
    """What is to be done, in an order in which each can be done by itself."""

    def rank(key: Key) -> tuple[int, Key]:
        return KINDS.index(key.kind), key

    gone = sorted(now.keys() - wanted.keys(), key=rank, reverse=True)
    edits: list[Edit] = [(key, None) for key in gone]
    edits += [(key, wanted[key]) for key in sorted(wanted, key=rank) if now.get(key) != wanted[key]]
    return edits


def settle(edits: list[Edit], edit: Callable[[list[Edit]], None]) -> dict[Key, str]:
    """Do as many edits as can be done, few at a time only where some cannot; why the others were refused."""
    if not edits:
        return {}
    try:
        edit(edits)
    except FabricError as error:
        if len(edits) == 1:
            return {edits[0][0]: "; ".join(problem.message for problem in error.problems)}
        half = len(edits) // 2
        return settle(edits[:half], edit) | settle(edits[half:], edit)
    return {}


class Adapter:
    """Between the store at ``location`` and the database at ``target``.

    ``teps``  those that are shown as physical switches; empty: all of the fabric.
    ``name``  what names of its own objects begin with, before a dot.
    """

    def __init__(self, location: str, target: str, teps: Collection[str] = (), name: str = "vtep"):
        self._location = location
        self._target = target
        self._teps = teps
        self._prefix = f"{name}."
        self._author = f"opentep vtep {name}"
        self._said: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set."""
        backoff = Backoff(stop)
        while not stop.is_set():
            try:
                with (
                    closing(open_store(self._location)) as store,
                    Ovsdb(self._target, DATABASE) as database,
                ):
                    database.watch(WATCHED)
                    backoff.reset()
                    self._follow(Repository(store, self._author), database, stop)
            except (StoreError, OvsdbError) as error:
                self._say([str(error)])
                backoff.wait()

    def _follow(self, repository: Repository, database: Ovsdb, stop: threading.Event) -> None:
        seen, told = -1, None
        while not stop.is_set():
            now = repository.store.wait(seen, _LOOK_SECONDS)
            heard = learned(repository)
            changed = database.changed(_LOOK_SECONDS if now <= seen and heard == told else 0.0)
            if changed or now > seen or heard != told:
                seen, told = self.synchronize(repository, database, heard), heard

    def synchronize(self, repository: Repository, database: Ovsdb, behind: Learned) -> int:
        """Bring both to agree; the revision of the store that they do at. ``behind``: whom TEPs learned."""
        rows = Rows(database)
        derived, refusals, changed = self._change_fabric(repository, rows)
        revision, document = self._read(repository)
        wanted = published(document, derived, refusals, behind)
        steps = operations(rows, wanted)
        if steps:
            database.transact(steps)
        if steps or changed:
            _log.info("revision %d: %d objects of the fabric, %d rows", revision, changed, len(steps))
        self._say(refusal.message for refusal in refusals)
        return revision

    def _read(self, repository: Repository) -> tuple[int, Document]:
        revision, document = repository.document(complete=True)
        return revision, Document(document, self._teps, self._prefix)

    def _change_fabric(self, repository: Repository, rows: Rows) -> tuple[Derived, list[Refusal], int]:
        """What follows, what is refused, and how much was changed."""
        _, document = self._read(repository)
        derived = derive(document, rows.requests())
        own = {
            key: stored.spec
            for kind in ("teps", "tenants", "vswitches", "vms")
            for key, stored in repository.objects(kind, self._prefix).items()
        }
        edits = _edits(own, derived.objects)

        def edit(some: list[Edit]) -> None:
            repository.edit(f"{DATABASE} at {self._target}", lambda _: dict(some))

        refused = settle(edits, edit)
        refusals = list(derived.refusals)
        for key, message in refused.items():
            place = derived.places.get(key, Refusal(""))
            refusals.append(Refusal(f"{key}: {message}", place.tep, place.port, place.fault))
        return derived, refusals, len(edits) - len(refused)

    def _say(self, messages: Iterable[str]) -> None:
        """What was not said before."""
        now = set(messages)
        for message in sorted(now - self._said):
            _log.warning("%s", message)
        self._said = now
