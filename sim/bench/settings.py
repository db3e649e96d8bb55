"""What to measure, and how long."""

from collections.abc import Callable
from dataclasses import dataclass

from .result import IMIX
from .scene import SIZES

__all__ = ["FLOWS", "Advance", "Settings"]

FLOWS = ("hairpin", "encapsulation", "decapsulation", "both")

Advance = Callable[[int, int], None]
"""Told how many steps of how many are done."""


@dataclass(frozen=True)
class Settings:
    """Options of a run."""

    sizes: tuple[str, ...] = (*map(str, SIZES), IMIX)
    flows: tuple[str, ...] = FLOWS
    duration_ns: float = 500_000
    """Simulated time of a trial. Where a queue has to fill first, up to ten times as much."""
    frames: int | None = None
    """Frames per port in a trial, instead of ``duration_ns``."""
    resolution: float = 0.002
    """Where a search for the highest rate ends, as a part of the limit."""
    quick: bool = False
    """Fewer addresses; for a first look."""
