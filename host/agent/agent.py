"""Keeps TEPs at what the store says, through whatever fails.

A TEP goes on with what it holds while its agent, the store or the host link is away; when they are back, only what is
different is written. One agent at a time per TEP: a second one takes the host link away from the first.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace

from opentep.host.connect import open_driver
from opentep.host.controller import Repository, Share
from opentep.host.controller.history import timestamp
from opentep.host.controller.objects import Key
from opentep.host.driver import Driver, DriverError
from opentep.host.fabric.errors import FabricError
from opentep.host.inject import InjectError
from opentep.host.link.client import LinkError
from opentep.host.link.transport import TransportError
from opentep.host.registers import WrongDeviceError
from opentep.host.retagging import Retagged, Stage
from opentep.host.store import StoreError, open_store
from opentep.host.vswitch import VSwitchError, driver_for, wanted

from .answers import Answers
from .backoff import LOOK_SECONDS, Backoff
from .counted import Counted
from .learned import Learned
from .metrics import Metrics
from .report import Report

__all__ = ["Agent"]

_log = logging.getLogger(__name__)

_TEP_ERRORS = (LinkError, TransportError, WrongDeviceError, DriverError, InjectError)
_RETRY_SECONDS = 5.0
"""Between two attempts at a vSwitch, or a router."""


class _SupersededError(Exception):
    """There is something newer to do; what was begun is safe to go on from."""


Connect = Callable[[str, int | None], AbstractContextManager[Driver]]


def _connect(device: str, baud: int | None) -> AbstractContextManager[Driver]:
    return open_driver(device, baud, lasting=True)


class Agent:
    """Of one TEP.

    ``location``        the store.
    ``verify_seconds``  after which all is read back from the TEP, to find what nobody here wrote.
    ``vswitches``       whether those behind it are set as well, if they have a driver.
    ``count_seconds``   after which counters are read and put into the store; 0: never.
    ``learn_seconds``   after which it is put into the store whom a TEP learned, if it learns; 0: never.
    ``metrics``         what is told how the TEP is, and its counters.
    ``too_big``         whether VMs are answered whose packets are too big for the underlay.
    """

    def __init__(
        self,
        tep: str,
        location: str,
        *,
        connect: Connect = _connect,
        verify_seconds: float = 60.0,
        vswitches: bool = True,
        metrics: Metrics | None = None,
        count_seconds: float = 5.0,
        learn_seconds: float = 30.0,
        too_big: bool = True,
    ):
        self.tep = tep
        self.location = location
        self._connect = connect
        self._verify_seconds = verify_seconds
        self._vswitches = vswitches
        self._metrics = metrics
        self._count_seconds = count_seconds
        self._learn_seconds = learn_seconds
        self._answers = Answers(too_big)
        self._stop = threading.Event()
        self._said: tuple[int, str] | None = None
        self._counted: Counted | None = None

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set, or the TEP is no longer in the store."""
        self._stop = stop
        backoff = Backoff(stop)
        while not stop.is_set():
            try:
                with closing(open_store(self.location)) as store:
                    if not self._look_after(Repository(store), stop, backoff):
                        return
            except StoreError as error:
                _log.warning("%s: the TEP keeps what it holds: %s", self.tep, error)
                backoff.wait()
            except Exception:  # a mistake of ours must not end the care for a TEP
                _log.exception("%s: internal error, please report it", self.tep)
                backoff.wait()

    def _look_after(self, repository: Repository, stop: threading.Event, backoff: Backoff) -> bool:
        """As :meth:`_follow`; mistakes of ours are told in the store as well."""
        try:
            return self._follow(repository, stop, backoff)
        except StoreError:
            raise
        except Exception as error:
            self._say(repository, 0, f"internal error, please report it: {type(error).__name__}: {error}")
            raise

    def _follow(self, repository: Repository, stop: threading.Event, backoff: Backoff) -> bool:
        """Whether the TEP is still to be looked after."""
        while not stop.is_set():
            with repository.store.view() as view:
                revision = view.revision
            if not self._is_wanted(repository):
                _log.info("%s: no longer in the store", self.tep)
                self._forget(repository)
                return False
            try:
                share = repository.tables(self.tep)
            except FabricError as error:
                self._say(repository, 0, str(error))
                self._await_change(repository, revision, stop)
                continue
            link = share.tep.link
            if link is None:
                self._say(repository, 0, "the TEP has no link")
                self._await_change(repository, revision, stop)
                continue
            try:
                with self._connect(link.device, link.baud) as driver:
                    self._keep(driver, repository, share, stop, backoff)
            except _TEP_ERRORS as error:
                self._say(repository, 0, str(error))
                backoff.wait(self._look_for_changes(repository, share))
        return True

    def _look_for_changes(self, repository: Repository, share: Share) -> Callable[[float], bool]:
        """Waits for so many seconds at most, and tells whether what the TEP should hold may be something else now."""

        def look(seconds: float) -> bool:
            nonlocal share
            newest = repository.store.wait(share.revision, seconds)
            changed = repository.concerns(share, newest)
            share = replace(share, revision=newest)
            return changed

        return look

    def _keep(
        self,
        driver: Driver,
        repository: Repository,
        share: Share,
        stop: threading.Event,
        backoff: Backoff,
    ) -> None:
        """While the TEP can be reached as the store says; ends when that changes."""
        link = share.tep.link
        _, well = self._apply(driver, repository, share)
        backoff.reset()  # not before: most of what fails fails in there
        looked = verified = counted = learned = time.monotonic()
        told = Learned(self.tep, repository.store)
        settled = True
        while not stop.is_set():
            if self._count_seconds and time.monotonic() >= counted:
                self._count(driver, repository, share)
                counted = time.monotonic() + self._count_seconds
            if self._learn_seconds and time.monotonic() >= learned:
                told.tell(driver, share.tables)
                learned = time.monotonic() + self._learn_seconds
            pause = self._answers.look(driver.registers)
            seen = repository.store.wait(share.revision, pause)
            if seen > share.revision and settled and not repository.concerns(share, seen):
                share = replace(share, revision=seen)
            elif seen > share.revision:
                try:
                    share = repository.tables(self.tep)
                    settled = True
                except FabricError as error:
                    if not self._is_wanted(repository):
                        return
                    # What it holds is the last that was good; any later change is a reason to look again.
                    share, settled = replace(share, revision=seen), False
                    self._say(repository, 0, str(error))
                    continue
                if share.tep.link != link:
                    return
                _, well = self._apply(driver, repository, share)
                looked = time.monotonic()
            if settled and time.monotonic() - looked >= (
                self._verify_seconds if well else min(self._verify_seconds, _RETRY_SECONDS)
            ):
                if verifies := time.monotonic() - verified >= self._verify_seconds:
                    driver.forget()
                    verified = time.monotonic()
                was_well = well
                mended, well = self._apply(driver, repository, share)
                if mended and verifies and was_well:
                    _log.warning("%s: held something else than was written; mended", self.tep)
                looked = time.monotonic()

    def _is_wanted(self, repository: Repository) -> bool:
        return repository.get(Key("teps", self.tep)) is not None

    def _forget(self, repository: Repository) -> None:
        """All that was told of a TEP that is no more."""
        Learned(self.tep, repository.store).forget()
        Counted.forget(self.tep, repository.store)
        Report.forget(self.tep, repository.store)
        if self._metrics is not None:
            self._metrics.forget(self.tep)

    def _count(self, driver: Driver, repository: Repository, share: Share) -> None:
        counters = driver.counters(share.tables) | self._answers.counters()
        self._counted = Counted.since(self._counted, self.tep, timestamp(), counters)
        self._counted.store(repository.store)
        if self._metrics is not None:
            self._metrics.count(self.tep, counters)

    def _apply(self, driver: Driver, repository: Repository, share: Share) -> tuple[int, bool]:
        """How much was changed, and whether that is all: each vSwitch could be set, and each router answers."""
        self._answers.set_out(share.tables)
        begun = time.monotonic()
        stuck: dict[str, str] = {}
        """Those that could not be told: their VMs have two VLAN IDs, or are not there yet."""

        def retag(stage: Stage) -> Retagged:
            newest = repository.store.wait(share.revision, 0)
            if self._stop.is_set() or (newest > share.revision and repository.concerns(share, newest)):
                raise _SupersededError
            wrong, let_go = self._set_vswitches(share, stage, but=stuck)
            stuck.update(wrong)
            return Retagged({share.fabric.vswitches[name].port for name in stuck}, let_go)

        try:
            changes = driver.apply(share.tables, retag=retag if self._vswitches else None)
        except _SupersededError:
            return 0, False
        if changes:
            milliseconds = (time.monotonic() - begun) * 1e3
            _log.info(
                "%s: revision %d, %d entries, %.0f ms", self.tep, share.revision, len(changes), milliseconds
            )
        wrong = stuck | (self._set_vswitches(share, but=stuck)[0] if self._vswitches else {})
        said = [*driver.unanswered, *(f"vSwitch {name}: {error}" for name, error in wrong.items())]
        self._say(repository, share.revision, "; ".join(said), list(wrong))
        return len(changes), not said

    def _set_vswitches(
        self, share: Share, stage: Stage | None = None, *, but: Collection[str] = ()
    ) -> tuple[dict[str, str], bool]:
        """Those behind the TEP, now that it takes what they will send; by name, what went wrong, and whether anything
        has another VLAN ID than before."""
        errors = {}
        let_go = False
        for name, vswitch in share.fabric.vswitches.items():
            if vswitch.tep != self.tep or vswitch.driver == "print" or name in but:
                continue
            if stage is not None and not stage.concerns(vswitch.port):
                continue
            try:
                plan = driver_for(wanted(share.fabric, name, stage)).apply()
            except VSwitchError as error:
                errors[name] = str(error)
                continue
            let_go |= plan.lets_go
            if plan.changes:
                _log.info(
                    "%s: revision %d, vSwitch %s, %d changes",
                    self.tep,
                    share.revision,
                    name,
                    len(plan.changes),
                )
                for line in plan.instructions.splitlines():
                    _log.warning("%s: vSwitch %s: %s", self.tep, name, line)
        return errors, let_go

    def _await_change(self, repository: Repository, revision: int, stop: threading.Event) -> None:
        while not stop.is_set() and repository.store.wait(revision, LOOK_SECONDS) <= revision:
            pass

    def _say(self, repository: Repository, revision: int, error: str, wrong: Sequence[str] = ()) -> None:
        """Once, in the store and in the log. ``wrong``: vSwitches that the error is about, and nothing else."""
        if (revision, error) == self._said:
            return
        if error:
            _log.warning("%s: %s", self.tep, error)
        Report(self.tep, revision, error, timestamp(), self._vswitches, wrong).store(repository.store)
        if error and not revision:
            Counted.forget(self.tep, repository.store)
        if self._metrics is not None:
            self._metrics.tell(self.tep, revision, error)
        # Last: what the store did not take is said again.
        self._said = (revision, error)
