"""Frames that a TEP hands to the host."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from opentep.gateware.csr.codec import Codec
from opentep.gateware.events import PUNT_EVENTS, counter_names
from opentep.gateware.hostport.format import PUNT_HEADER_BYTES, PuntHeader, Reason, Time
from opentep.host.registers import RegisterAccess

__all__ = ["PuntedFrame", "Punts", "Selection"]

_HEADER = Codec(PuntHeader)
_SECOND = 1_000_000_000
_LAP = 1 << Codec(Time.as_shape().members["seconds"]).width
"""Seconds after which the time of the TEP begins anew."""


@dataclass(frozen=True)
class Selection:
    """Which frames the host gets."""

    always: frozenset[Reason] = frozenset()
    """Every frame that has one of these reasons."""
    sampled: frozenset[Reason] = frozenset()
    """Of these, every ``interval``-th that came in on one of ``ports``."""
    ports: frozenset[int] | None = None
    """``None``: any."""
    interval: int = 1
    snap: int = 128
    """Octets of each frame at most."""


@dataclass(frozen=True)
class PuntedFrame:
    """One frame for the host."""

    port: int
    """It came in on."""
    reason: Reason
    octets: bytes
    """Without FCS; the beginning only, if the selection says so."""
    length: int
    """Octets of the whole frame."""
    time: int
    """Nanoseconds since the epoch of the host's clock. Within one :meth:`Punts.fetch`, times are to each other as the
    TEP measured them; the whole may be late by a round trip of the host link."""


class Punts:
    """The ring of punted frames behind ``registers``; what it held before is thrown away.

    ``clock``  time in nanoseconds since the epoch.
    """

    def __init__(self, registers: RegisterAccess, clock: Callable[[], int] = time.time_ns):
        self._registers = registers
        self._clock = clock
        params = registers.params
        self._hertz = params.clock_hz
        self._row_bytes = params.word_bytes
        self._rows = params.ring_rows
        self._ports = params.ports
        self._mailbox = registers.table("mailbox")
        self._next = registers.read("punt.produced")
        self._latest = 0
        registers.write("punt.consumed", self._next)

    def select(self, selection: Selection) -> None:
        """Ask for the frames of ``selection`` from now on, and for no others."""
        for name, value in (
            ("snap", selection.snap),
            ("interval", selection.interval),
            ("ports", _mask(range(self._ports) if selection.ports is None else selection.ports)),
            ("sampled", _mask(reason.value for reason in selection.sampled)),
            ("always", _mask(reason.value for reason in selection.always)),
        ):
            self._registers.write(f"punt.{name}", value)

    def fetch(self) -> list[PuntedFrame]:
        """The frames that have come since the last call, oldest first; possibly none. Never waits."""
        produced = self._registers.read("punt.produced")
        if produced == self._next:
            return []
        now, host_now = self._registers.read("status.time"), self._clock()
        count = (produced["row"] - self._next["row"]) % self._rows or self._rows
        first = self._next["row"]
        rows = self._mailbox.read_many((first + row) % self._rows for row in range(count))
        self._registers.write("punt.consumed", produced)
        self._next = produced
        return self._parse(b"".join(row.to_bytes(self._row_bytes, "little") for row in rows), now, host_now)

    def _parse(self, octets: bytes, now: dict[str, int], host_now: int) -> list[PuntedFrame]:
        frames = []
        position = 0
        while position < len(octets):
            header = _HEADER.decode(int.from_bytes(octets[position : position + PUNT_HEADER_BYTES], "little"))
            position += self._padded(PUNT_HEADER_BYTES)
            content = octets[position : position + header["captured"]]
            position += self._padded(header["captured"])
            at = max(host_now - self._age(header["time"], now), self._latest)
            self._latest = at
            frames.append(PuntedFrame(header["port"], header["reason"], content, header["length"], at))
        return frames

    def _padded(self, octets: int) -> int:
        return -(-octets // self._row_bytes) * self._row_bytes

    def _age(self, then: dict[str, int], now: dict[str, int]) -> int:
        """Nanoseconds from ``then`` to ``now``."""
        seconds = (now["seconds"] - then["seconds"]) % _LAP
        return seconds * _SECOND + (now["clocks"] - then["clocks"]) * _SECOND // self._hertz

    def counts(self) -> dict[str, int]:
        """Frames that went into the ring, and those that found it full, since the TEP's reset."""
        names = counter_names(self._registers.params)
        indices = [names.index(f"punt.{event}") for event in PUNT_EVENTS]
        values: list[Any] = self._registers.table("counters").read_many(indices)
        return dict(zip(PUNT_EVENTS, values, strict=True))


def _mask(bits: Iterable[int]) -> int:
    return sum(1 << bit for bit in set(bits))
