"""Neighbour discovery (RFC 4861) of next hops, by the host for the TEP."""

from .cache import Neighbour, State
from .service import NeighbourService

__all__ = ["Neighbour", "NeighbourService", "State"]
