"""Links of a TEP's ports, and registers of their PHYs."""

import time
from dataclasses import dataclass

from opentep.gateware.phy.gmii import Speed
from opentep.host.registers import RegisterAccess

__all__ = ["Link", "PhyError", "access_phy", "read_links"]

_PATIENCE = 1.0
"""Seconds: far more than an access takes, and the reset of the PHYs that it may wait for."""
_NUMBERS = 64
_MBITS = {Speed.MBIT_10: 10, Speed.MBIT_100: 100, Speed.MBIT_1000: 1000}


class PhyError(Exception):
    """A register of a PHY cannot be read or written."""


@dataclass(frozen=True)
class Link:
    """State of a port's link. The rest is ``None`` while it is down."""

    up: bool
    mbits: int | None = None
    """Rate in Mb/s."""
    full_duplex: bool | None = None


def read_links(registers: RegisterAccess) -> list[Link]:
    """State of every port's link."""
    states = [registers.read(f"port[{port}].link") for port in range(registers.params.ports)]
    return [
        Link(True, _MBITS.get(state["speed"]), bool(state["full_duplex"])) if state["up"] else Link(False)
        for state in states
    ]


def access_phy(registers: RegisterAccess, port: int, register: int, value: int | None = None) -> int:
    """Read a register of the PHY of ``port``, or write ``value`` to it; returns what it read or wrote.

    Raises :class:`PhyError` if there is no such port or register, or if no PHY answers.
    """
    if not 0 <= port < registers.params.ports:
        raise PhyError(f"the TEP has ports 0 to {registers.params.ports - 1}, not {port}")
    if not 0 <= register < 32:
        raise PhyError(f"a PHY has registers 0 to 31, not {register}")
    if value is not None and not 0 <= value < 1 << 16:
        raise PhyError(f"a register of a PHY has 16 bits, {value:#x} does not fit")
    # A command that another host left is done first.
    number = _wait(registers, registers.read("mdio.command")["number"])["number"]
    number = (number + 1) % _NUMBERS
    command = {"register": register, "port": port, "number": number}
    registers.write("mdio.command", command if value is None else {**command, "write": 1, "data": value})
    result = _wait(registers, number)
    if not result["answered"]:
        raise PhyError(f"no PHY of port {port} answers; it may not be found yet, or the port may have none")
    return result["data"] if value is None else value


def _wait(registers: RegisterAccess, number: int) -> dict[str, int]:
    """The result, once command ``number`` is done."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        result = registers.read("mdio.result")
        if result["number"] == number:
            return result
        if time.monotonic() > deadline:
            raise PhyError("the TEP does not get on with the PHYs' management interface")
