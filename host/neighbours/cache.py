"""What is known of neighbours, and when to ask (RFC 4861, 7.2 and 7.3), without any input or output."""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from .messages import Advertisement, Solicitation

__all__ = ["Key", "Neighbour", "NeighbourCache", "State"]

Key = tuple[int, int]
"""Port and IPv6 address."""

RETRANS = 1.0
"""Seconds between solicitations (RFC 4861, 10, as all that follow)."""
SOLICITATIONS = 3
REACHABLE = 30.0
DELAY = 5.0


class State(Enum):
    """States of RFC 4861, 7.3.2; DELAY is the first part of STALE here, see :class:`NeighbourCache`."""

    INCOMPLETE = "incomplete"
    REACHABLE = "reachable"
    STALE = "stale"
    PROBE = "probe"


@dataclass
class Neighbour:
    """One next hop."""

    port: int
    address: int
    mac: int | None
    """Last one known. It is kept while the neighbour does not answer: without it frames could only be dropped."""
    state: State
    due: float
    """When something is to be done if nothing comes."""
    asked: int = 0
    """Solicitations in this state."""
    silent: bool = False
    """All were in vain."""

    @property
    def settled(self) -> bool:
        """It has answered, or will not."""
        return self.state is State.REACHABLE or self.silent


class NeighbourCache:
    """Next hops that are all in use, all the time: what the TEP forwards, the host does not see. So none rests in
    STALE, each is probed again soon after it is no longer known to be reachable.

    ``now`` is in seconds, of any clock that never goes back.
    """

    def __init__(
        self, keys: Iterable[Key], known: Mapping[Key, int], now: float, rng: random.Random | None = None
    ):
        self._rng = rng or random.Random()
        self._neighbours = {
            (port, address): Neighbour(
                port,
                address,
                known.get((port, address)),
                State.STALE if (port, address) in known else State.INCOMPLETE,
                now,
            )
            for port, address in keys
        }

    def __iter__(self) -> Iterator[Neighbour]:
        return iter(self._neighbours.values())

    def due(self, now: float) -> Iterator[tuple[Neighbour, int | None]]:
        """Whom to solicit now, and at which MAC (``None``: everybody on the link)."""
        for neighbour in self:
            if neighbour.due > now:
                continue
            match neighbour.state:
                case State.REACHABLE:
                    self._enter(neighbour, State.STALE, now + DELAY)
                    continue
                case State.STALE:
                    self._enter(neighbour, State.PROBE, now)
                case State.PROBE if neighbour.asked == SOLICITATIONS:
                    self._enter(neighbour, State.INCOMPLETE, now)
                case State.INCOMPLETE if neighbour.asked == SOLICITATIONS:
                    neighbour.silent = True
                    neighbour.asked = 0
                    neighbour.due = now + REACHABLE
                    continue
            neighbour.asked += 1
            neighbour.due = now + RETRANS
            yield neighbour, neighbour.mac if neighbour.state is State.PROBE else None

    def advertised(self, port: int, message: Advertisement, now: float) -> None:
        """RFC 4861, 7.2.5."""
        neighbour = self._neighbours.get((port, message.target))
        if neighbour is None:
            return
        moved = message.mac is not None and message.mac != neighbour.mac
        if neighbour.state is State.INCOMPLETE:
            if message.mac is None:
                return
        elif moved and not message.override:
            if neighbour.state is State.REACHABLE:
                self._enter(neighbour, State.STALE, now + DELAY)
            return
        if moved:
            neighbour.mac = message.mac
        if message.solicited:
            # Spread, so that neighbours do not keep being asked together.
            self._enter(neighbour, State.REACHABLE, now + REACHABLE * self._rng.uniform(0.5, 1.5))
        elif moved or neighbour.state is State.INCOMPLETE:
            self._enter(neighbour, State.STALE, now + DELAY)

    def solicited(self, port: int, message: Solicitation, now: float) -> None:
        """RFC 4861, 7.2.3: who asks tells where it is."""
        neighbour = self._neighbours.get((port, message.source))
        if neighbour is None or message.mac is None:
            return
        if neighbour.mac != message.mac or neighbour.state is State.INCOMPLETE:
            neighbour.mac = message.mac
            self._enter(neighbour, State.STALE, now + DELAY)

    def give_up(self) -> None:
        """Who has not settled counts as silent: one that never sets the Solicited flag is never reachable."""
        for neighbour in self:
            neighbour.silent |= not neighbour.settled

    @staticmethod
    def _enter(neighbour: Neighbour, state: State, due: float) -> None:
        neighbour.state = state
        neighbour.due = due
        neighbour.asked = 0
        if state in (State.REACHABLE, State.STALE):
            neighbour.silent = False
