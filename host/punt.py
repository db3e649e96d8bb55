"""Frames that a TEP hands to the host, and events that it tells it of."""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from opentep.gateware.csr.codec import Codec
from opentep.gateware.events import PUNT_EVENTS, counter_names
from opentep.gateware.hostport.format import PUNT_HEADER_BYTES, MacRecord, PuntHeader, Reason, Time
from opentep.gateware.tables.mac_entry import MacChange
from opentep.host.events import LearningEvent
from opentep.host.macs import decode_place
from opentep.host.registers import RegisterAccess

__all__ = ["PuntedFrame", "Punts", "Selection"]

_HEADER = Codec(PuntHeader)
_RECORD = Codec(MacRecord)
_SECOND = 1_000_000_000
_LAP = 1 << Codec(Time.as_shape().members["seconds"]).width
"""Seconds after which the time of the TEP begins anew."""


@dataclass(frozen=True)
class Selection:
    """Which frames the host gets, and which events."""

    always: frozenset[Reason] = frozenset()
    """Every frame that has one of these reasons."""
    sampled: frozenset[Reason] = frozenset()
    """Of these, every ``interval``-th that came in on one of ``ports``."""
    ports: frozenset[int] | None = None
    """``None``: any."""
    interval: int = 1
    snap: int = 128
    """Octets of each frame at most."""
    changes: Collection[MacChange] = ()
    """Events: what becomes of learned addresses."""


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
    """The ring of punted frames and events behind ``registers``; what it held before is thrown away, and events that
    waited for it.

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
        registers.write("punt.changes", 0)
        self._next = registers.read("punt.produced")
        self._latest = {False: 0, True: 0}
        """Time of the last frame, and of the last event, which may have waited longer."""
        registers.write("punt.consumed", self._next)

    def select(self, selection: Selection) -> None:
        """Ask for the frames and events of ``selection`` from now on, and for no others."""
        for name, value in (
            ("snap", selection.snap),
            ("interval", selection.interval),
            ("ports", _mask(range(self._ports) if selection.ports is None else selection.ports)),
            ("sampled", _mask(reason.value for reason in selection.sampled)),
            ("always", _mask(reason.value for reason in selection.always)),
            ("changes", _mask(change.value for change in selection.changes)),
        ):
            self._registers.write(f"punt.{name}", value)

    def fetch(self) -> list[PuntedFrame]:
        """The frames of :meth:`fetch_all`."""
        return [item for item in self.fetch_all() if isinstance(item, PuntedFrame)]

    def fetch_all(self) -> list[PuntedFrame | LearningEvent]:
        """What has come since the last call, in the order in which it was written; possibly nothing. Never waits."""
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

    def _parse(self, octets: bytes, now: dict[str, int], host_now: int) -> list[PuntedFrame | LearningEvent]:
        items: list[PuntedFrame | LearningEvent] = []
        position = 0
        while position < len(octets):
            header = _HEADER.decode(int.from_bytes(octets[position : position + PUNT_HEADER_BYTES], "little"))
            position += self._padded(PUNT_HEADER_BYTES)
            content = octets[position : position + header["captured"]]
            position += self._padded(header["captured"])
            is_event = header["reason"] is Reason.MAC_EVENT
            at = max(host_now - self._age(header["time"], now), self._latest[is_event])
            self._latest[is_event] = at
            if is_event:
                items.append(_event(header["port"], content, at))
            else:
                items.append(PuntedFrame(header["port"], header["reason"], content, header["length"], at))
        return items

    def _padded(self, octets: int) -> int:
        return -(-octets // self._row_bytes) * self._row_bytes

    def _age(self, then: dict[str, int], now: dict[str, int]) -> int:
        """Nanoseconds from ``then`` to ``now``."""
        seconds = (now["seconds"] - then["seconds"]) % _LAP
        return seconds * _SECOND + (now["clocks"] - then["clocks"]) * _SECOND // self._hertz

    def counts(self) -> dict[str, int]:
        """Frames that went into the ring, and those that found it full, since the TEP's reset."""
        return dict(zip(PUNT_EVENTS, self._counters(f"punt.{event}" for event in PUNT_EVENTS), strict=True))

    def events_lost(self) -> int:
        """Events that found the queue to the ring full, since the TEP's reset."""
        (lost,) = self._counters(["mac.events_lost"])
        return lost

    def _counters(self, wanted: Iterable[str]) -> list[int]:
        names = counter_names(self._registers.params)
        return self._registers.table("counters").read_many(names.index(name) for name in wanted)


def _event(port: int, octets: bytes, time: int) -> LearningEvent:
    record = _RECORD.decode(int.from_bytes(octets, "little"))
    place = decode_place(record["kind"], port, record["id"])
    return LearningEvent(record["change"], record["tenant"], record["mac"], place, time)


def _mask(bits: Iterable[int]) -> int:
    return sum(1 << bit for bit in set(bits))
