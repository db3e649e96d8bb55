"""Keeps TEPs at what the store says, through whatever fails.

A TEP goes on with what it holds while its agent, the store or the host link is away; when they are back, only what is
different is written. One agent at a time per TEP: a second one takes the host link away from the first.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opentep.host.connect import open_driver
from opentep.host.controller import Repository
from opentep.host.controller.objects import Key
from opentep.host.driver import Driver, DriverError
from opentep.host.fabric.errors import FabricError
from opentep.host.fabric.model import Link
from opentep.host.link.client import LinkError
from opentep.host.link.transport import TransportError
from opentep.host.registers import WrongDeviceError
from opentep.host.store import StoreError, open_store
from opentep.host.tables import TepTables

__all__ = ["Agent", "Report", "Supervisor", "reports"]

_log = logging.getLogger(__name__)

_NOTES = "agents/"
_TEP_ERRORS = (LinkError, TransportError, WrongDeviceError, DriverError)
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 15.0
"""Seconds between attempts, doubled with each."""
_LOOK_SECONDS = 0.5
"""How long a stop may take."""

Connect = Callable[[str, int | None], AbstractContextManager[Driver]]


@dataclass(frozen=True)
class Report:
    """What an agent last said of its TEP."""

    tep: str
    revision: int
    """Of the store, that the TEP holds."""
    error: str
    """Empty: all is well."""
    time: str
    """UTC, ISO 8601."""

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def reports(repository: Repository) -> dict[str, Report]:
    """Of all agents, by TEP."""
    found = repository.store.notes(_NOTES)
    return {key.removeprefix(_NOTES): Report(**json.loads(text)) for key, text in found.items()}


def _connect(device: str, baud: int | None) -> AbstractContextManager[Driver]:
    return open_driver(device, baud, lasting=True)


class _Backoff:
    """Waits longer each time, and not at all after a success."""

    def __init__(self, stop: threading.Event):
        self._stop = stop
        self.reset()

    def reset(self) -> None:
        self._delay = _FIRST_DELAY

    def wait(self) -> None:
        self._stop.wait(self._delay)
        self._delay = min(self._delay * 2, _LONGEST_DELAY)


class Agent:
    """Of one TEP.

    ``location``        the store.
    ``verify_seconds``  after which all is read back from the TEP, to find what nobody here wrote.
    """

    def __init__(self, tep: str, location: str, *, connect: Connect = _connect, verify_seconds: float = 60.0):
        self.tep = tep
        self.location = location
        self._connect = connect
        self._verify_seconds = verify_seconds
        self._said: tuple[int, str] | None = None

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set, or the TEP is no longer in the store."""
        backoff = _Backoff(stop)
        while not stop.is_set():
            try:
                with closing(open_store(self.location)) as store:
                    if not self._follow(Repository(store), stop, backoff):
                        return
            except StoreError as error:
                _log.warning("%s: the TEP keeps what it holds: %s", self.tep, error)
                backoff.wait()
            except Exception:
                _log.exception("%s: internal error, please report it", self.tep)
                backoff.wait()

    def _follow(self, repository: Repository, stop: threading.Event, backoff: _Backoff) -> bool:
        """Whether the TEP is still to be looked after."""
        while not stop.is_set():
            with repository.store.view() as view:
                revision = view.revision
            if repository.get(Key("teps", self.tep)) is None:
                _log.info("%s: no longer in the store", self.tep)
                return False
            try:
                revision, tep, tables = repository.tables(self.tep)
            except FabricError as error:
                self._say(repository, 0, str(error))
                self._await_change(repository, revision, stop)
                continue
            if tep.link is None:
                self._say(repository, 0, "the TEP has no link")
                self._await_change(repository, revision, stop)
                continue
            try:
                with self._connect(tep.link.device, tep.link.baud) as driver:
                    backoff.reset()
                    self._keep(driver, repository, (revision, tables), tep.link, stop)
            except _TEP_ERRORS as error:
                self._say(repository, 0, str(error))
                backoff.wait()
        return True

    def _keep(
        self,
        driver: Driver,
        repository: Repository,
        wanted: tuple[int, TepTables],
        link: Link,
        stop: threading.Event,
    ) -> None:
        """While the TEP can be reached as the store says; ends when that changes."""
        revision, tables = wanted
        self._apply(driver, repository, revision, tables)
        verified = time.monotonic()
        while not stop.is_set():
            seen = repository.store.wait(revision, _LOOK_SECONDS)
            if seen > revision:
                try:
                    revision, tep, tables = repository.tables(self.tep)
                except FabricError as error:
                    revision = seen  # what it holds is the last that was good
                    self._say(repository, revision, str(error))
                    continue
                if tep.link != link:
                    return
                self._apply(driver, repository, revision, tables)
            elif time.monotonic() - verified >= self._verify_seconds:
                driver.forget()
                if self._apply(driver, repository, revision, tables):
                    _log.warning("%s: held something else than was written; mended", self.tep)
                verified = time.monotonic()

    def _apply(self, driver: Driver, repository: Repository, revision: int, tables: TepTables) -> int:
        """How much was changed."""
        begun = time.monotonic()
        changes = driver.apply(tables)
        if changes:
            milliseconds = (time.monotonic() - begun) * 1e3
            _log.info("%s: revision %d, %d entries, %.0f ms", self.tep, revision, len(changes), milliseconds)
        self._say(repository, revision, "")
        return len(changes)

    def _await_change(self, repository: Repository, revision: int, stop: threading.Event) -> None:
        while not stop.is_set() and repository.store.wait(revision, _LOOK_SECONDS) <= revision:
            pass

    def _say(self, repository: Repository, revision: int, error: str) -> None:
        """Once, in the store and in the log."""
        if (revision, error) == self._said:
            return
        self._said = (revision, error)
        if error:
            _log.warning("%s: %s", self.tep, error)
        report = Report(self.tep, revision, error, datetime.now(UTC).isoformat(timespec="milliseconds"))
        repository.store.note(_NOTES + self.tep, json.dumps(report.as_dict()))


class Supervisor:
    """Agents of several TEPs, one thread each: of those named, or of all in the store that have a link."""

    def __init__(self, location: str, names: Iterable[str] = (), **options: Any):
        self.location = location
        self._names = tuple(names)
        self._options = options
        self._threads: dict[str, threading.Thread] = {}

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set; then all have ended."""
        backoff = _Backoff(stop)
        while not stop.is_set():
            try:
                with closing(open_store(self.location)) as store:
                    self._follow(Repository(store), stop)
            except StoreError as error:
                _log.warning("%s", error)
                backoff.wait()
        for thread in self._threads.values():
            thread.join()

    def _follow(self, repository: Repository, stop: threading.Event) -> None:
        seen = -1
        while not stop.is_set():
            now = repository.store.wait(seen, _LOOK_SECONDS)
            if now > seen:
                seen = now
                teps = {key.name: stored.spec for key, stored in repository.objects("teps").items()}
                for name in self._names or [name for name, spec in teps.items() if "link" in spec]:
                    if name in teps:
                        self._start(name, stop)

    def _start(self, name: str, stop: threading.Event) -> None:
        if name not in self._threads or not self._threads[name].is_alive():
            agent = Agent(name, self.location, **self._options)
            self._threads[name] = threading.Thread(target=agent.run, args=(stop,), name=name)
            self._threads[name].start()
