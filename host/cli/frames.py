"""Frames that a user gives in files: captures, or text."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from opentep.sim.pcap import CaptureError, read_capture

from .errors import CommandError

__all__ = ["GivenFrame", "read_captures", "read_hexadecimal"]

_COMMENT = "#"


@dataclass(frozen=True)
class GivenFrame:
    """A frame without FCS, and where it stands."""

    place: str
    octets: bytes


def read_captures(files: tuple[str, ...]) -> Iterator[GivenFrame]:
    """The frames of pcap and pcapng files. Raises :class:`CommandError` for what is none."""
    for file in files:
        try:
            for number, packet in enumerate(read_capture(Path(file)), 1):
                yield GivenFrame(f"{file}: packet {number}", packet.octets)
        except CaptureError as error:
            raise CommandError(str(error)) from None


def read_hexadecimal(files: tuple[str, ...]) -> Iterator[GivenFrame]:
    """A frame per line, with blanks, ``:`` and ``-`` between octets as one likes; ``#`` begins a comment.

    Raises :class:`CommandError` for other text. File ``-`` is standard input.
    """
    for file in files:
        with click.open_file(file, errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                digits = line.partition(_COMMENT)[0].translate(str.maketrans("", "", " \t\r\n:-"))
                place = f"{file}: line {number}"
                try:
                    octets = bytes.fromhex(digits)
                except ValueError:
                    raise CommandError(
                        f"{place} is no frame: write whole octets in hexadecimal, one frame per line"
                    ) from None
                if octets:
                    yield GivenFrame(place, octets)
