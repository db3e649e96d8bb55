"""Keeps a fabric and a database `hardware_vtep` in agreement, for controllers that drive hardware VTEPs."""

import logging
import threading
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import replace

from opentep.host.agent import learned
from opentep.host.agent.backoff import Backoff
from opentep.host.controller import Repository
from opentep.host.ovsdb import Ovsdb, OvsdbError
from opentep.host.store import StoreError, open_store

from .derive import derive
from .document import OWN_KINDS, Document
from .publish import Learned, operations, published
from .rows import DATABASE, WATCHED, Rows
from .settle import Edit, Settlement

__all__ = ["Adapter"]

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
"""At the store, then at the database: how long a change of the one may wait, and a stop."""


class Adapter:
    """Between the store at ``location`` and the database at ``target``.

    ``teps``  those that are shown as physical switches; empty: all of the fabric.
    ``name``  what names of its own objects begin with, before a dot, and whom switches say they belong to.
    """

    def __init__(self, location: str, target: str, teps: Collection[str] = (), name: str = "vtep"):
        self._location = location
        self._target = target
        self._teps = teps
        self._name = name
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
                    self._follow(Repository(store, self._author), database, stop, backoff)
            except (StoreError, OvsdbError) as error:
                self._say([str(error)])
                backoff.wait()
            except Exception:  # a mistake of ours must not end the service
                _log.exception("internal error, please report it")
                backoff.wait()

    def _follow(
        self, repository: Repository, database: Ovsdb, stop: threading.Event, backoff: Backoff
    ) -> None:
        seen, told = -1, None
        while not stop.is_set():
            now = repository.store.wait(seen, _LOOK_SECONDS)
            heard = learned(repository)
            changed = database.changed(_LOOK_SECONDS if now <= seen and heard == told else 0.0)
            if changed or now > seen or heard != told:
                seen, told = self.synchronize(repository, database, heard), heard
                backoff.reset()

    def synchronize(self, repository: Repository, database: Ovsdb, behind: Learned) -> int:
        """Bring both to agree; the revision of the store that was looked at, before any changes of this one.

        ``behind``: whom TEPs learned.
        """
        rows = Rows(database)
        revision, before = self._read(repository)
        derived = derive(before, rows.requests())
        settlement = Settlement(
            {
                key: stored.spec
                for kind in OWN_KINDS
                for key, stored in repository.objects(kind, self._prefix).items()
                if before.is_own(key)
            },
            derived.objects,
            lambda edits: self._edit(repository, edits),
            lambda key: stored.spec if (stored := repository.get(key)) else None,
        )
        settlement.run()
        refusals = [*derived.refusals]
        for key, message in settlement.refused.items():
            refusals.append(replace(derived.place_of(key, before), message=f"{key}: {message}"))
        _, after = self._read(repository) if settlement.changed else (revision, before)
        steps, foreign = operations(rows, published(after, derived, refusals, behind), self._name)
        if steps:
            database.transact(steps)
        if steps or settlement.changed:
            _log.info("revision %d: %d objects changed, %d rows", revision, settlement.changed, len(steps))
        self._say([*(refusal.message for refusal in refusals), *foreign])
        return revision

    def _read(self, repository: Repository) -> tuple[int, Document]:
        revision, document = repository.document(complete=True)
        return revision, Document(document, self._teps, self._prefix)

    def _edit(self, repository: Repository, edits: list[Edit]) -> None:
        repository.edit(f"{DATABASE} at {self._target}", lambda _: dict(edits))

    def _say(self, messages: Iterable[str]) -> None:
        """What was not said before."""
        now = set(messages)
        for message in sorted(now - self._said):
            _log.warning("%s", message)
        self._said = now
