"""Frames that the host sends out of a port of a TEP."""

import time

from opentep.gateware.params import Params
from opentep.host.registers import RegisterAccess

__all__ = ["InjectError", "inject", "room_for_frame"]

_PATIENCE = 1.0
"""Seconds: far more than the longest frame in front takes."""


class InjectError(Exception):
    """A frame cannot be sent."""


def room_for_frame(params: Params) -> int:
    """Octets of the longest frame that a TEP built with ``params`` takes."""
    return params.inject_rows * params.word_bytes


def inject(registers: RegisterAccess, port: int, frame: bytes) -> None:
    """Send ``frame`` (without FCS) out of ``port`` as it is, and wait until it has left the mailbox.

    Raises :class:`InjectError` if there is no such port, if the frame does not fit the mailbox, or if the port takes
    nothing.
    """
    params = registers.params
    room = room_for_frame(params)
    if not 0 <= port < params.ports:
        raise InjectError(f"the TEP has ports 0 to {params.ports - 1}, not {port}")
    if not 1 <= len(frame) <= room:
        raise InjectError(f"a frame to inject has 1 to {room} octets, not {len(frame)}")
    number = _wait(registers, registers.read("inject.command")["number"], "the port of the frame before")
    octets = params.word_bytes
    rows = (frame[start : start + octets] for start in range(0, len(frame), octets))
    registers.table("mailbox").write_many(
        (params.ring_rows + row, int.from_bytes(word, "little")) for row, word in enumerate(rows)
    )
    number = (number + 1) % 256
    registers.write("inject.command", {"length": len(frame), "port": port, "number": number})
    _wait(registers, number, "the port")


def _wait(registers: RegisterAccess, number: int, port: str) -> int:
    """Until command ``number`` is done, by ``port`` as errors call it; returns the number."""
    deadline = time.monotonic() + _PATIENCE
    while registers.read("inject.done") != number:
        if time.monotonic() > deadline:
            raise InjectError(
                f"{port} takes no frames: it is busy, or its link does not work (`opentep show ports`)"
            )
    return number
