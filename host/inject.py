"""Frames that the host sends out of a port of a TEP."""

import time

from opentep.host.registers import RegisterAccess

__all__ = ["InjectError", "inject"]

_PATIENCE = 1.0
"""Seconds: far more than the longest frame in front takes."""


class InjectError(Exception):
    """A frame cannot be sent."""


def inject(registers: RegisterAccess, port: int, frame: bytes) -> None:
    """Send ``frame`` (without FCS) out of ``port`` as it is, and wait until it has left the mailbox.

    Raises :class:`InjectError` if there is no such port, if the frame does not fit the mailbox, or if the port takes
    nothing.
    """
    params = registers.params
    room = params.inject_rows * params.word_bytes
    if not 0 <= port < params.ports:
        raise InjectError(f"the TEP has ports 0 to {params.ports - 1}, not {port}")
    if not 1 <= len(frame) <= room:
        raise InjectError(f"a frame to inject has 1 to {room} octets, not {len(frame)}")
    number = _wait(registers, registers.read("inject.command")["number"])
    octets = params.word_bytes
    rows = (frame[start : start + octets] for start in range(0, len(frame), octets))
    registers.table("mailbox").write_many(
        (params.ring_rows + row, int.from_bytes(word, "little")) for row, word in enumerate(rows)
    )
    number = (number + 1) % 256
    registers.write("inject.command", {"length": len(frame), "port": port, "number": number})
    _wait(registers, number)


def _wait(registers: RegisterAccess, number: int) -> int:
    """Until command ``number`` is done; returns it."""
    deadline = time.monotonic() + _PATIENCE
    while registers.read("inject.done") != number:
        if time.monotonic() > deadline:
            raise InjectError("the port of the frame before takes no frames")
    return number
