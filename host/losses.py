"""Frames that ports lost."""

from collections.abc import Mapping
from typing import Any

from opentep.gateware.events import PORT_LOSSES

__all__ = ["losses"]


def losses(counted: Mapping[str, Any]) -> dict[str, Any]:
    """By reason, of the counters of a port or their rates."""
    return {**counted["drops"], **{name: counted[name] for name in PORT_LOSSES}}
