"""One TEP under fire, beside the model of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, Self

from opentep.gateware.params import CELL_BYTES, Params
from opentep.host.driver import Driver
from opentep.host.events import AGED, ALL_CHANGES, LearningEvent
from opentep.host.link.client import LinkError
from opentep.host.punt import Punts, Selection
from opentep.host.registers import RegisterAccess
from opentep.host.tables import Local, TepTables

from ..board import VirtualBoard
from ..model import TepModel
from ..model.suppression import LONGEST_REQUEST
from ..packets import echo_request, ethernet
from ..wire import Lane, Slot, pad
from .adversary import Shot
from .scene import Pace, Scene

__all__ = ["Finding", "Kind", "Trial", "share", "volleys"]

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


def _may_ask(shot: Shot, params: Params) -> bool:
    return not params.is_fabric(shot.port) and len(shot.frame) <= LONGEST_REQUEST


def volleys(shots: Iterator[Shot], count: int, params: Params, pace: Pace) -> Iterator[list[Shot]]:
    """``count`` shots, as many at a time as ``pace`` allows and as surely find room, should all leave on one port; or a
    single larger one."""
    room = share(params)
    volley: list[Shot] = []
    used = requests = 0
    for _ in range(count):
        shot = next(shots)
        cells, asks = _cells(shot), _may_ask(shot, params)
        is_full = len(volley) == pace.volley or requests + asks > pace.requests
        if volley and (is_full or used + cells > room):
            yield volley
            volley, used, requests = [], 0, 0
        volley.append(shot)
        used += cells
        requests += asks
    if volley:
        yield volley


class Trial:
    """A virtual board with the tables of ``scene``, and the model with the same; ``believed`` gives the model other
    ones, to see that differences are found."""

    def __init__(self, params: Params, scene: Scene, believed: TepTables | None = None):
        self.tables = scene.tables
        self.delivered = 0
        self.told = 0
        self._pace = scene.pace
        self._model = TepModel(believed or self.tables, params)
        # Together the ports bring no more than packet memory takes: what is lost would be the wire's fault.
        rate = params.width * params.clock_hz // params.ports
        self._board = VirtualBoard(params, rate=rate)
        self._lanes = [Lane(rate) for _ in self.tables.ports]
        self._free = 0
        self._driver = Driver(RegisterAccess(self._board.link_client()))
        self._driver.apply(self.tables)
        self._punts = Punts(self._driver.registers, lambda: self._board.time_ns)
        self._punts.select(Selection(changes=ALL_CHANGES))
        self._board.run_until_idle()
        self._tenants: dict[Local, set[int]] = {}
        for entry in self.tables.macs:
            if isinstance(entry.place, Local):
                self._add_owner(entry.place, entry.tenant)
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
            slot = self._slot(shot)
            self._board.send(shot.port, shot.frame, slot.start, pad=False, error=shot.error)
            for port, frame in self._model.receive(shot.port, shot.frame, slot.end, shot.error):
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
        events = self._model.events()
        for event in events:
            if event.change is not AGED and isinstance(event.place, Local):
                self._add_owner(event.place, event.tenant)
        return self._judge(got, wanted) if got != wanted else self._check_events(events)

    def _slot(self, shot: Shot) -> Slot:
        """When a shot is on the wire. At full load it comes as soon as it can, and only its order counts."""
        now, pace = self._board.time_ns, self._pace
        if not pace.gap:
            return Slot(now, now)
        lane, size = self._lanes[shot.port], len(shot.frame)
        earliest = max(now, self._free)
        slot = lane.send(size, pace.aside(lane, size, earliest) if pace.aside else earliest)
        self._free = slot.end + pace.gap
        return slot

    def _add_owner(self, place: Local, tenant: int) -> None:
        """A VM of ``tenant`` is at ``place``, by all its names."""
        retag = self.tables.ports[place.port].retag
        for vid in {place.vid, retag.other(place.vid) if retag else place.vid}:
            self._tenants.setdefault(Local(place.port, vid), set()).add(tenant)

    def _judge(self, got: _Departures, wanted: _Departures) -> Finding:
        extra, missing = got - wanted, wanted - got
        allowed = {receiver for port, frame in wanted for receiver in self._receivers(port, frame)}
        leaks = [(port, frame) for port, frame in extra if allowed.isdisjoint(self._receivers(port, frame))]
        if leaks:
            port, frame = leaks[0]
            return Finding(
                Kind.LEAK, f"{len(leaks)} frames, the first on {self.tables.ports[port].name}: {frame.hex()}"
            )
        if not got:
            return Finding(Kind.HANG, "nothing leaves, not even the answer to an echo request")
        return Finding(Kind.DIFFERENCE, f"{missing.total()} frames are missing, {extra.total()} are too much")

    def _receivers(self, port: int, frame: bytes) -> set[tuple[str, int]]:
        """Who gets a frame: tenants, more than one where several learn, or the underlay behind a fabric port."""
        if self.tables.ports[port].role == "fabric":
            return {("port", port)}
        vid = int.from_bytes(frame[14:16], "big") & 0xFFF
        return {("tenant", tenant) for tenant in self._tenants.get(Local(port, vid), ())}

    def _check_events(self, wanted: list[LearningEvent]) -> Finding | None:
        got = self._punts.fetch_all()
        self.told += len(got)
        if got == wanted:
            return None
        return Finding(Kind.EVENTS, f"told: {got}; so it was: {wanted}")

    def counters(self) -> dict[str, Any]:
        """What the TEP has counted. Raises LinkError."""
        return self._driver.counters(self.tables)

    def check_counters(self) -> Finding | None:
        """Compare all counters, which no shot of a volley should have torn."""
        try:
            got = self.counters()
        except LinkError as error:
            return Finding(Kind.HANG, f"the host link: {error}")
        wanted = self._model.counters()
        if got == wanted:
            return None
        places = (
            f"{group} {name}"
            for group in wanted
            for name in wanted[group]
            if got[group][name] != wanted[group][name]
        )
        return Finding(Kind.COUNTERS, ", ".join(places))
