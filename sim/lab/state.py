"""What a lab has made, on disk, so that it can be taken down from any process."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, Popen

from .namespace import Namespace
from .shell import LabError, run

__all__ = ["Lab", "Process"]

_BASE = Path("/run/opentep")
_STOP_SECONDS = 5.0

_CLAIM = "owner"
"""File that whoever makes a lab holds a lock on until it has made it, or has ended."""

_children: list[Popen[bytes]] = []
"""Processes started by this one, kept so that they can be collected when they end."""


def _start_time(pid: int) -> int | None:
    """Start of a process in clock ticks since boot: with the pid, its identity. ``None`` if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


@dataclass(frozen=True)
class Process:
    """A process that the lab started."""

    name: str
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        return _start_time(self.pid) == self.started

    def signal(self, number: int) -> None:
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Lab:
    """A lab by name: its folder, its hosts (namespaces ``NAME-HOST``) and its processes."""

    def __init__(self, name: str = "lab"):
        if not name.isalnum() or len(name) > 20:
            raise LabError(f"a lab's name is 1 to 20 letters and digits, not {name!r}")
        self.name = name
        self.folder = _BASE / name
        self._claim: int | None = None

    @property
    def exists(self) -> bool:
        return self.folder.exists()

    @property
    def in_use(self) -> bool:
        """Whether it is more than what a lab that was killed has left: it runs, or somebody is making it."""
        return any(process.alive for process in self.processes()) or self._is_claimed()

    def _is_claimed(self) -> bool:
        try:
            claim = os.open(self.folder / _CLAIM, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(claim, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(claim)
        return False

    @property
    def document(self) -> Path:
        """The lab's ``fabric.yaml``."""
        return self.folder / "fabric.yaml"

    @property
    def captures(self) -> Path:
        return self.folder / "captures"

    def host(self, name: str) -> Namespace:
        return Namespace(f"{self.name}-{name}")

    def hosts(self) -> list[str]:
        """Names of the hosts there are."""
        prefix = f"{self.name}-"
        names = [line.split()[0] for line in run(["ip", "netns", "list"]).stdout.splitlines() if line]
        return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))

    def create(self) -> None:
        """Claim the name, before anything is made. Raises :class:`LabError` if it is in use."""
        try:
            self.folder.mkdir(parents=True)
        except FileExistsError:
            raise LabError(
                f"lab '{self.name}' is up, or was left behind; remedy: opentep lab down --name {self.name}"
            ) from None
        self._claim = os.open(self.folder / _CLAIM, os.O_CREAT | os.O_RDONLY)  # closed with this process
        fcntl.flock(self._claim, fcntl.LOCK_EX)
        foreign = self.hosts()
        if foreign:
            os.close(self._claim)
            _remove_tree(self.folder)
            names = ", ".join(self.host(name).name for name in foreign)
            raise LabError(
                f"there are network namespaces {names}, which no lab has made; remedy: another --name"
            )
        self.captures.mkdir()

    def start(
        self, name: str, command: Sequence[str], *, environment: dict[str, str] | None = None
    ) -> Process:
        """Start a process that outlives this one, its output in ``NAME.log``."""
        with (self.folder / f"{name}.log").open("ab") as log:
            popen = Popen(
                list(command),
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        _children.append(popen)
        process = Process(name, popen.pid, _start_time(popen.pid) or 0)
        with (self.folder / "processes").open("a") as file:
            file.write(json.dumps([process.name, process.pid, process.started]) + "\n")
        return process

    def stop(self, process: Process) -> None:
        """End one of them that is needed no more."""
        _end([process])
        lines = (self.folder / "processes").read_text().splitlines(keepends=True)
        kept = [line for line in lines if Process(*json.loads(line)) != process]
        (self.folder / "processes").write_text("".join(kept))

    def processes(self) -> list[Process]:
        """All that are to run, in the order in which they were started."""
        try:
            lines = (self.folder / "processes").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Process(*json.loads(line)) for line in lines]

    def require_alive(self) -> None:
        """Raise :class:`LabError` with the log's end if a process has died."""
        for process in self.processes():
            if not process.alive:
                log = self.folder / f"{process.name}.log"
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
                raise LabError(f"{process.name} has ended unexpectedly; the end of {log}:\n{tail}")

    def destroy(self) -> None:
        """End the lab's processes and all others in its namespaces, remove these and its folder. Does what is left to
        do, any time."""
        if not self.exists:
            return
        _end(list(reversed(self.processes())))
        for host in self.hosts():
            self.host(host).delete()
        _remove_tree(self.folder)


def _end(processes: list[Process]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            process.signal(number)
        deadline = time.monotonic() + _STOP_SECONDS
        while any(process.alive for process in processes) and time.monotonic() < deadline:
            _reap()
            time.sleep(0.02)


def _reap() -> None:
    """Collect children that ended, so that they do not count as alive."""
    for child in _children:
        child.poll()


def _remove_tree(folder: Path) -> None:
    if not folder.exists():
        return
    for path in sorted(folder.rglob("*"), reverse=True):
        with suppress(FileNotFoundError):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    with suppress(FileNotFoundError):  # somebody else was faster
        folder.rmdir()
