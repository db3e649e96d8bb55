"""Frames that ports lost."""

from collections.abc import Mapping
from typing import Any

from opentep.gateware.events import PORT_OVERRUNS

__all__ = ["losses"]


def losses(counted: Mapping[str, Any]) -> dict[str, Any]:
    """By reason, of the counters of a port or their rates. What an older agent did not tell counts as 0."""
    return {**counted["drops"], **{name: counted.get(name, 0) for name in PORT_OVERRUNS}}
