"""Replay through the Verilated gateware, configured over its host link like hardware."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from opentep.gateware.params import Params
from opentep.gateware.storm.limit import TICKS_PER_SECOND
from opentep.host.driver import Driver, DriverError
from opentep.host.events import ALL_CHANGES, LearningEvent
from opentep.host.punt import Punts, Selection
from opentep.host.registers import RegisterAccess
from opentep.host.tables import TepTables

from .board import Stop, VirtualBoard
from .replay import Arrival, Departure, Progress, ReplayError

__all__ = ["RtlBackend"]

_BATCH = 1024
"""Frames queued at once: bounds memory and how long nothing is reported. They last longer than it takes to fetch what
the ring holds, also on 16 ports at 1 Gb/s."""
_LISTEN_CLOCKS = 1000
"""Between two looks into the ring: in so many not more is learned than it holds."""


_WHOLE_TICKS_NS = 1_000_000_000 // math.gcd(1_000_000_000, TICKS_PER_SECOND)
"""A time that is a whole number of ticks of storm control."""


class RtlBackend:
    """A virtual board as a back end of :func:`~opentep.sim.replay.replay`.

    The core is configured before the first frame comes; its time is the captures' time plus a constant. If a tenant
    learns, the host listens to events while frames pass; what is told of them too fast is lost, and counted.
    """

    def __init__(
        self,
        tables: TepTables,
        rate: int,
        params: Params | None = None,
        note: Callable[[str], None] | None = None,
    ):
        access = sum(port.role == "access" for port in tables.ports)
        self._params = params or Params(access_ports=access, fabric_ports=len(tables.ports) - access)
        self._tables = tables
        try:
            self._board = VirtualBoard(self._params, rate=rate, progress=note)
        except ValueError as error:
            raise ReplayError(str(error)) from None
        self._driver = Driver(RegisterAccess(self._board.link_client()))
        try:
            self._driver.apply(tables)
        except DriverError as error:
            raise ReplayError(str(error)) from None
        if self._driver.unanswered:
            raise ReplayError("; ".join(self._driver.unanswered))
        self._board.run_until_idle()
        self._shift = 0
        self._events: list[LearningEvent] = []
        self._punts: Punts | None = None
        if any(tenant.learn_source or tenant.learn_remote for tenant in tables.tenants):
            self._punts = Punts(self._driver.registers, lambda: self._board.time_ns - self._shift)
            self._punts.select(Selection(changes=ALL_CHANGES))
            self._board.run_until_idle()

    def run(self, arrivals: Sequence[Arrival], progress: Progress) -> Iterator[Departure]:
        if not arrivals:
            return
        # Ticks of storm control come when they come in the captures' time, as in the model.
        shift = self._board.time_ns - arrivals[0].slot.start
        shift += -shift % _WHOLE_TICKS_NS
        self._shift = shift
        for entered in range(0, len(arrivals), _BATCH):
            batch = arrivals[entered : entered + _BATCH]
            for arrival in batch:
                self._board.send(arrival.port, arrival.frame, arrival.slot.start + shift)
            # Whatever starts later is still to come, so time may run only into the batch that was queued last.
            self._run(batch[0].slot.start + shift)
            yield from self._departures(shift)
            progress(entered, len(arrivals))
        self._run(max(arrival.slot.end for arrival in arrivals) + shift)
        self._board.run_until_idle()
        while self._listen():
            pass
        yield from self._departures(shift)
        progress(len(arrivals), len(arrivals))

    def counters(self) -> dict[str, Any]:
        return self._driver.counters(self._tables)

    def events(self) -> list[LearningEvent]:
        return self._events

    def _run(self, until: int) -> None:
        """Until ``until``, or somewhat longer while the host listens."""
        if self._punts is None:
            self._board.run(until)
            return
        while self._board.run(until, max_clocks=_LISTEN_CLOCKS) is Stop.CLOCKS:
            self._listen()

    def _listen(self) -> bool:
        """Fetch what the TEP has told; whether there was something."""
        items = [] if self._punts is None else self._punts.fetch_all()
        self._events += (item for item in items if isinstance(item, LearningEvent))
        return bool(items)

    def _departures(self, shift: int) -> Iterator[Departure]:
        for port in range(self._params.ports):
            for received in self._board.received(port):
                yield Departure(port, received.start_ns - shift, received.frame)
