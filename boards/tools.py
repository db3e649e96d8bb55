"""The open FPGA tools, as shipped on PyPI (YoWASP)."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["ToolError", "find_tool", "run_tool"]


class ToolError(Exception):
    """A tool is missing or failed; the message says which, and the remedy."""


def find_tool(name: str) -> str:
    """Absolute path of the command ``name``: beside this Python first, then on PATH."""
    beside = Path(sys.executable).parent / name
    path = str(beside) if beside.exists() else shutil.which(name)
    if path is None:
        raise ToolError(f"{name} is not installed; remedy: pip install 'opentep[build]'")
    return path


def run_tool(name: str, arguments: Sequence[str], *, cwd: Path, log: Path) -> None:
    """Run a tool in ``cwd`` with its output in ``log``; raises :class:`ToolError` with the log's last lines."""
    with log.open("w") as out:
        code = subprocess.call([find_tool(name), *arguments], cwd=cwd, stdout=out, stderr=subprocess.STDOUT)
    if code:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise ToolError(f"{name} failed with exit code {code}; the end of {log}:\n{tail}")
