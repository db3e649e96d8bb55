"""Neighbour discovery through a TEP: solicitations out by injection, answers in by punt, next hops into its tables."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from opentep.gateware.hostport.format import Reason
from opentep.host.encode import encode_outer, fabric_number
from opentep.host.inject import inject
from opentep.host.punt import Punts, Selection
from opentep.host.registers import RegisterAccess
from opentep.host.tables import RemoteTep, TepTables, Way

from .cache import Key, Neighbour, NeighbourCache
from .messages import Advertisement, Solicitation, parse, solicitation

__all__ = ["NeighbourService", "applied", "known_next_hops", "routers", "with_next_hops"]

_PAUSE = 0.02
"""Seconds between two looks at the TEP."""
_PATIENCE = 15.0
"""Seconds: more than it takes to find that one is silent who told where it is only once."""
_WHOLE = 1518
"""Octets: messages are taken with all their options."""


def routers(tables: TepTables) -> set[Key]:
    """The next hops of ``tables`` that are to be discovered."""
    return {(way.port, way.router) for tep in tables.teps for way in tep.ways if way.router}


def known_next_hops(held: TepTables, desired: TepTables) -> dict[Key, int]:
    """Where the TEP sends now what goes to the routers of ``desired``, probably them."""
    now = {(tep.address, way.port): way.next_hop for tep in held.teps for way in tep.ways if way.next_hop}
    return {
        (way.port, way.router): now[tep.address, way.port]
        for tep in desired.teps
        for way in tep.ways
        if way.router and (tep.address, way.port) in now
    }


def with_next_hops(tables: TepTables, macs: Mapping[Key, int]) -> TepTables:
    """``tables`` with the next hops of discovered routers filled in, as far as they are known."""

    def found(way: Way) -> Way:
        return replace(way, next_hop=macs.get((way.port, way.router), way.next_hop))

    teps = (replace(tep, ways=tuple(map(found, tep.ways))) for tep in tables.teps)
    return replace(tables, teps=tuple(teps))


def applied(held: TepTables, desired: TepTables) -> TepTables:
    """``desired`` with those remote TEPs alone that the TEP sends to as it says, whatever the next hops: all other
    outer headers are `apply`'s business."""

    def bare(tep: RemoteTep) -> RemoteTep:
        return replace(tep, name="", sources=(), ways=tuple(Way(way.port, 0) for way in tep.ways))

    def source(tables: TepTables) -> tuple[int, list[int]]:
        return tables.address, [port.mac for port in tables.ports]

    now = {tep.index: bare(tep) for tep in held.teps} if source(held) == source(desired) else {}
    return replace(desired, teps=tuple(tep for tep in desired.teps if now.get(tep.index) == bare(tep)))


class NeighbourService:
    """Discovers the routers of ``tables`` behind ``registers``, which has their ports and addresses already.

    ``known``  MACs to begin with; they are verified.
    ``clock``  seconds.
    """

    def __init__(
        self,
        registers: RegisterAccess,
        tables: TepTables,
        known: Mapping[Key, int],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._registers = registers
        self._tables = tables
        self._clock = clock
        self._written = dict(known)
        self.neighbours = NeighbourCache(sorted(routers(tables)), known, clock())
        self._punts = Punts(registers)

    def __enter__(self) -> "NeighbourService":
        self._punts.select(Selection(always=frozenset((Reason(Reason.DISCOVERY),)), snap=_WHOLE))
        return self

    def __exit__(self, *_: object) -> None:
        self._punts.select(Selection())

    def step(self) -> None:
        """Take what has come, ask what is due."""
        for frame in self._punts.fetch():
            match parse(frame.octets):
                case Advertisement() as message:
                    self.neighbours.advertised(frame.port, message, self._clock())
                case Solicitation() as message:
                    self.neighbours.solicited(frame.port, message, self._clock())
        for neighbour, mac in self.neighbours.due(self._clock()):
            own = self._tables.ports[neighbour.port].mac
            question = solicitation(own, self._tables.address, neighbour.address, mac)
            inject(self._registers, neighbour.port, question)

    def steps(self) -> Iterator[None]:
        """:meth:`step` again and again, with pauses."""
        while True:
            self.step()
            yield
            time.sleep(_PAUSE)

    def settle(self) -> dict[Key, int]:
        """Go on until every router has answered or failed to; the MACs that are known then.

        Who has done neither after some seconds counts as silent, with the MAC that is known.
        """
        deadline = self._clock() + _PATIENCE
        for _ in self.steps():
            if all(neighbour.settled for neighbour in self.neighbours):
                break
            if self._clock() >= deadline:
                self.neighbours.give_up()
                break
        return self.macs

    @property
    def macs(self) -> dict[Key, int]:
        """What is known now."""
        return {(each.port, each.address): each.mac for each in self.neighbours if each.mac is not None}

    def write(self) -> list[Neighbour]:
        """Put MACs that differ from what the TEP has into its outer headers; returns the neighbours that moved."""
        changed = {key: mac for key, mac in self.macs.items() if self._written.get(key) != mac}
        tables = with_next_hops(self._tables, changed)
        for tep in tables.teps:
            for way in tep.ways:
                if (way.port, way.router) in changed:
                    number = fabric_number(self._registers.params, way.port)
                    table = self._registers.table(f"outer_headers[{number}]")
                    table.write(tep.index, encode_outer(tep, way, tables))
        self._written |= changed
        return [each for each in self.neighbours if (each.port, each.address) in changed]
