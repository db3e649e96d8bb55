"""What one board differs in from the others."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.vendor import LatticeECP5Platform

from ..gateware.params import Params

__all__ = ["Board"]


@dataclass(frozen=True)
class Board:
    """A board that a TEP can be built for."""

    name: str
    """As ``opentep build`` takes it."""
    title: str
    """As people call it."""
    platform: Callable[[], LatticeECP5Platform]
    """Makes the Amaranth platform: device, pins, clocks."""
    params: Params
    """Default build parameters."""
    timing_model: str
    """Key of :data:`.devices.DEVICES`: the device whose timing the build is judged by."""
    loader: tuple[str, ...]
    """Arguments of openFPGALoader that choose board or cable."""
