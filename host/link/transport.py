"""Ways to carry the octets of the host link."""

import errno
import os
import time
from collections.abc import Callable
from typing import Protocol

import serial

__all__ = ["CallableTransport", "Clock", "SerialTransport", "Transport", "TransportError"]

_LARGEST_READ = 65536

Clock = Callable[[], float]
"""Tells the time in seconds."""


class TransportError(Exception):
    """The line itself failed: no such device, or it went away."""


class Transport(Protocol):
    """A two-way stream of octets that may lose, damage and repeat some."""

    def write(self, octets: bytes) -> None:
        """Send all ``octets``. Raises :class:`TransportError`."""
        ...

    def read(self, timeout: float) -> bytes:
        """What has arrived; waits up to ``timeout`` seconds for the first octet. Raises TransportError."""
        ...

    def close(self) -> None: ...


def _reason(error: Exception) -> str:
    """Without what pyserial says a second time."""
    number = getattr(error, "errno", None)
    if number is None:
        return str(error)
    return "another program has it open" if number == errno.EAGAIN else os.strerror(number)


class SerialTransport:
    """A serial device, or a pty that stands for one."""

    def __init__(self, device: str, baud: int = 3_000_000):
        self.device = device
        try:
            self._port = serial.Serial(device, baud, timeout=0, write_timeout=10, exclusive=True)
        except (OSError, ValueError, serial.SerialException) as error:
            raise TransportError(f"cannot open {device}: {_reason(error)}") from error
        try:
            # USB adapters collect octets for 16 ms otherwise, which empties the window.
            self._port.set_low_latency_mode(True)
        except (OSError, ValueError, NotImplementedError, AttributeError):
            pass  # not a USB adapter

    def write(self, octets: bytes) -> None:
        try:
            self._port.write(octets)
        except (OSError, serial.SerialException) as error:
            raise TransportError(f"{self.device}: {error}") from error

    def read(self, timeout: float) -> bytes:
        try:
            self._port.timeout = timeout
            first = self._port.read(1)
            return bytes(first + self._port.read(self._port.in_waiting)) if first else b""
        except (OSError, TypeError, serial.SerialException) as error:
            raise TransportError(f"{self.device}: {error}") from error

    def close(self) -> None:
        self._port.close()


class CallableTransport:
    """A device in the same process, given by ``send(octets)`` and ``receive(limit) -> octets``.

    ``receive`` lets the device run for a while and returns what it sent, without waiting for more. ``clock``
    tells the time that time-outs are measured in.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        receive: Callable[[int], bytes],
        clock: Clock = time.monotonic,
    ):
        self._send = send
        self._receive = receive
        self._clock = clock

    def write(self, octets: bytes) -> None:
        self._send(octets)

    def read(self, timeout: float) -> bytes:
        deadline = self._clock() + timeout
        while True:
            octets = self._receive(_LARGEST_READ)
            if octets or self._clock() >= deadline:
                return octets

    def close(self) -> None:
        """Nothing to close: the device belongs to the caller."""
