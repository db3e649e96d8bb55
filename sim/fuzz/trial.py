"""One TEP under fire, beside the model of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Self

from opentep.gateware.params import CELL_BYTES, Params
from opentep.host.driver import Driver
from opentep.host.events import ALL_CHANGES
from opentep.host.link.client import LinkError
from opentep.host.punt import Punts, Selection
from opentep.host.registers import RegisterAccess
from opentep.host.tables import Local, TepTables

from ..board import VirtualBoard
from ..model import TepModel
from ..packets import echo_request, ethernet
from ..wire import pad
from .adversary import Shot

__all__ = ["Finding", "Kind", "Trial", "share", "volleys"]

_VOLLEY = 16
_HANG_NS = 20_000_000
"""Simulated time within which a volley has left: many times what it takes."""

_Departures = Counter[tuple[int, bytes]]


class Kind(Enum):
    """What is wrong; the worst first."""

    LEAK = "leak"
    """A frame reached a VM of a tenant that was not to get it."""
    HANG = "hang"
    """The TEP is busy for ever, or does not answer any more."""
    DIFFERENCE = "difference"
    """A frame is missing, is too much, or is another one."""
    EVENTS = "events"
    """All frames are right, but not what the host was told of learned addresses."""
    COUNTERS = "counters"
    """All frames are right, but not what was counted."""


@dataclass(frozen=True)
class Finding:
    """Where TEP and model differ."""

    kind: Kind
    detail: str


def share(params: Params) -> int:
    """Cells of packet memory that one output may surely fill: as much stays free (``gateware/egress/share.py``)."""
    return params.cells // 2


def _cells(shot: Shot) -> int:
    return -(-len(shot.frame) // CELL_BYTES)


def volleys(shots: Iterator[Shot], count: int, params: Params) -> Iterator[list[Shot]]:
    """``count`` shots, as many at a time as surely find room, should all leave on one port; or a single larger one."""
    room = share(params)
    volley: list[Shot] = []
    used = 0
    for _ in range(count):
        shot = next(shots)
        cells = _cells(shot)
        if volley and (used + cells > room or len(volley) == _VOLLEY):
            yield volley
            volley, used = [], 0
        volley.append(shot)
        used += cells
    if volley:
        yield volley


class Trial:
    """A virtual board with ``tables``, and the model with the same; ``believed`` gives the model other ones, to see
    that differences are found."""

    def __init__(self, params: Params, tables: TepTables, believed: TepTables | None = None):
        self.tables = tables
        self.delivered = 0
        self.told = 0
        self._model = TepModel(believed or tables, params)
        # Together the ports bring no more than packet memory takes: what is lost would be the wire's fault.
        self._board = VirtualBoard(params, rate=params.width * params.clock_hz // params.ports)
        self._driver = Driver(RegisterAccess(self._board.link_client()))
        self._driver.apply(tables)
        self._punts = Punts(self._driver.registers)
        self._punts.select(Selection(changes=ALL_CHANGES))
        self._board.run_until_idle()
        self._tenants = {e.place: e.tenant for e in tables.macs if isinstance(e.place, Local)}
        self._probe = self._echo_request()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._board.close()

    def _echo_request(self) -> Shot:
        """What a TEP that is alive answers, whatever its tenants."""
        port = next(number for number, port in enumerate(self.tables.ports) if port.role == "fabric")
        packet = echo_request(self.tables.address ^ 1 << 64, self.tables.address, 1, 2, b"alive?")
        return Shot(port, ethernet(self.tables.ports[port].mac, 0x020000000001, 0x86DD, packet))

    def fire(self, volley: Sequence[Shot]) -> Finding | None:
        """Send ``volley`` and a probe; compare what leaves, and what the host is told, with what the model says."""
        try:
            return self._fire(volley)
        except LinkError as error:
            return Finding(Kind.HANG, f"the host link: {error}")

    def _fire(self, volley: Sequence[Shot]) -> Finding | None:
        wanted: _Departures = Counter()
        # Behind what fills more than its share of packet memory the probe would find no room.
        waits = sum(map(_cells, (*volley, self._probe))) > share(self._board.params)
        for shot in (*volley, self._probe):
            if waits and shot is self._probe:
                try:
                    self._board.run_until_idle(_HANG_NS)
                except TimeoutError as error:
                    return Finding(Kind.HANG, str(error))
            self._board.send(shot.port, shot.frame, pad=False, error=shot.error)
            for port, frame in self._model.receive(shot.port, shot.frame, error=shot.error):
                wanted[port, pad(frame)] += 1
        try:
            self._board.run_until_idle(_HANG_NS)
        except TimeoutError as error:
            return Finding(Kind.HANG, str(error))
        got: _Departures = Counter(
            (port, received.frame)
            for port in range(len(self.tables.ports))
            for received in self._board.received(port)
        )
        self.delivered += got.total()
        return self._judge(got, wanted) if got != wanted else self._check_events()

    def _judge(self, got: _Departures, wanted: _Departures) -> Finding:
        extra, missing = got - wanted, wanted - got
        allowed = {self._receiver(port, frame) for port, frame in wanted}
        leaks = [(port, frame) for port, frame in extra if self._receiver(port, frame) not in allowed]
        if leaks:
            port, frame = leaks[0]
            return Finding(
                Kind.LEAK, f"{len(leaks)} frames, the first on {self.tables.ports[port].name}: {frame.hex()}"
            )
        if not got:
            return Finding(Kind.HANG, "nothing leaves, not even the answer to an echo request")
        return Finding(Kind.DIFFERENCE, f"{missing.total()} frames are missing, {extra.total()} are too much")

    def _receiver(self, port: int, frame: bytes) -> tuple[str, int | None]:
        """Who gets a frame: a tenant, or the underlay behind a fabric port."""
        if self.tables.ports[port].role == "fabric":
            return "port", port
        vid = int.from_bytes(frame[14:16], "big") & 0xFFF
        return "tenant", self._tenants.get(Local(port, vid))

    def _check_events(self) -> Finding | None:
        got, wanted = self._punts.fetch_all(), self._model.events()
        self.told += len(got)
        if got == wanted:
            return None
        return Finding(Kind.EVENTS, f"told: {got}; so it was: {wanted}")

    def check_counters(self) -> Finding | None:
        """Compare all counters, which no shot of a volley should have torn."""
        try:
            got = self._driver.counters(self.tables)
        except LinkError as error:
            return Finding(Kind.HANG, f"the host link: {error}")
        wanted = self._model.counters()
        if got == wanted:
            return None
        places = (
            name
            for group in ("ports", "teps", "tenants")
            for name in wanted[group]
            if got[group][name] != wanted[group][name]
        )
        return Finding(Kind.COUNTERS, ", ".join(places) or "MAC table")
