"""Agents of several TEPs in one process."""

import logging
import threading
from collections.abc import Iterable
from contextlib import closing
from typing import Any

from opentep.host.controller import Repository
from opentep.host.store import StoreError, open_store

from .agent import Agent
from .backoff import LOOK_SECONDS, Backoff

__all__ = ["Supervisor"]

_log = logging.getLogger(__name__)


class Supervisor:
    """Agents of several TEPs, one thread each: of those named, or of all in the store that have a link."""

    def __init__(self, location: str, names: Iterable[str] = (), **options: Any):
        self.location = location
        self._names = tuple(names)
        self._options = options
        self._threads: dict[str, threading.Thread] = {}

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set; then all have ended."""
        backoff = Backoff(stop)
        while not stop.is_set():
            try:
                with closing(open_store(self.location)) as store:
                    self._follow(Repository(store), stop, backoff)
            except StoreError as error:
                _log.warning("%s", error)
                backoff.wait()
        for thread in self._threads.values():
            thread.join()

    def _follow(self, repository: Repository, stop: threading.Event, backoff: Backoff) -> None:
        seen = -1
        wanted: list[str] = []
        told: set[str] = set()
        while not stop.is_set():
            now = repository.store.wait(seen, LOOK_SECONDS)
            if now > seen:
                seen = now
                teps = {key.name: stored.spec for key, stored in repository.objects("teps").items()}
                linked = [name for name, spec in teps.items() if "link" in spec]
                wanted = [name for name in self._names or linked if name in teps]
                missing = {f"'{name}'" for name in self._names if name not in teps}
                if not self._names and not linked:
                    missing = {"with a link"}
                for what in sorted(missing - told):
                    _log.warning("there is no TEP %s in %s; waiting for one", what, self.location)
                told = missing
            # Each time: the agent of a TEP that came back may have been about to end when it did.
            for name in wanted:
                self._start(name, stop)
            backoff.reset()

    def _start(self, name: str, stop: threading.Event) -> None:
        if name not in self._threads or not self._threads[name].is_alive():
            agent = Agent(name, self.location, **self._options)
            self._threads[name] = threading.Thread(target=agent.run, args=(stop,), name=name)
            self._threads[name].start()
