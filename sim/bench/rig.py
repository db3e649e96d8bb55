"""A configured virtual board that plays schedules of frames and says what came of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from opentep.gateware.params import MIN_FRAME, Params
from opentep.host.driver import Driver
from opentep.host.macs import MacAccess
from opentep.host.registers import RegisterAccess

from ..board import Received, VirtualBoard
from ..wire import GAP, GIGABIT
from .result import Speed
from .scene import FCS, Scene

__all__ = ["Offer", "Played", "Rig"]

_GRID_NS = 1_000_000
"""Schedules begin at multiples of this, which are edges of any core clock in whole kHz."""
_PREAMBLE = 8


@dataclass(frozen=True)
class Offer:
    """A frame for a port; ``at`` is when its first octet comes, in ns from the beginning."""

    port: int
    at: float
    frame: bytes
    pad: bool = True
    error: bool = False


@dataclass(frozen=True)
class Played:
    """What became of a schedule. Times in ns from its beginning."""

    ends: list[float]
    """When the last bit of each offered frame had come in."""
    departures: Sequence[tuple[int, float, Received]]
    """(port, when the first octet left, frame), in order per port."""


class Rig:
    """A virtual board with the tables of :class:`.scene.Scene`. All wires run at ``rate`` bit/s."""

    def __init__(self, params: Params, rate: int = GIGABIT, *, note: Callable[[str], None] | None = None):
        self.params = params
        self.rate = rate
        self.scene = Scene(params)
        self.board = VirtualBoard(params, rate=rate, progress=note)
        registers = RegisterAccess(self.board.link_client())
        self._driver = Driver(registers, drain_seconds=0)
        self._macs = MacAccess(registers)
        self._names = [port.name for port in self.scene.tables.ports]
        self._driver.apply(self.scene.tables)
        self.board.run_until_idle()
        self.clock_ns = 1e9 / params.clock_hz
        self._frames = self._clocks = self._simulated = 0
        self._seconds = 0.0

    def close(self) -> None:
        self.board.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def octet_ns(self) -> float:
        return 8e9 / self.rate

    @property
    def speed(self) -> Speed:
        return Speed(self._frames, self._clocks, self._simulated, self._seconds)

    def play(self, offers: Sequence[Offer]) -> Played:
        """Send ``offers``, in order per port, to the quiet board, and wait until it is quiet again."""
        board = self.board
        began, clocks = time.perf_counter(), board.clocks
        start = (board.time_ns // _GRID_NS + 1) * _GRID_NS
        free = dict.fromkeys(range(self.params.ports), 0.0)
        ends = []
        for offer in offers:
            board.send(offer.port, offer.frame, start + int(offer.at), pad=offer.pad, error=offer.error)
            edge = -(-int(offer.at) // self.clock_ns) * self.clock_ns
            begins = max(edge, free[offer.port])
            octets = max(len(offer.frame), MIN_FRAME) if offer.pad else len(offer.frame)
            ends.append(begins + (octets + FCS) * self.octet_ns)
            free[offer.port] = ends[-1] + (GAP + _PREAMBLE) * self.octet_ns
        board.run(start + int(max(ends, default=0)))
        board.run_until_idle()
        departures = [
            (port, received.start_ns - start, received)
            for port in range(self.params.ports)
            for received in board.received(port)
        ]
        self._frames += len(offers)
        self._clocks += board.clocks - clocks
        self._simulated += board.time_ns - start
        self._seconds += time.perf_counter() - began
        return Played(ends, departures)

    def drops(self, reason: str) -> int:
        """Frames that all ports together have dropped for ``reason`` so far."""
        ports = self._driver.port_counters(self._names)["ports"]
        return sum(port["drops"][reason] for port in ports.values())

    def mac_events(self) -> dict[str, int]:
        """Counters of the MAC table."""
        events: dict[str, int] = self._driver.port_counters(self._names)["mac"]
        return events

    def forget_learned(self) -> None:
        """Put the MAC table back to its static entries."""
        self._macs.clear()
        ports = {tep.index: tep.port for tep in self.scene.tables.teps}
        self._driver.registers.client.execute(self._macs.insert(self.scene.tables.macs, ports))
        self.board.run_until_idle()
