"""What became of learned addresses, as a TEP tells it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from opentep.gateware.tables.mac_entry import MacChange
from opentep.host.diff import Names, place_numbers
from opentep.host.fabric.addresses import format_mac
from opentep.host.tables import Group, Local, Remote

__all__ = ["AGED", "ALL_CHANGES", "LEARNED", "MOVED", "LearningEvent", "event_item"]

# The type checker takes the members themselves for integers.
LEARNED, MOVED, AGED = map(MacChange, (MacChange.LEARNED, MacChange.MOVED, MacChange.AGED))
ALL_CHANGES = (LEARNED, MOVED, AGED)
"""All that can become of a learned address."""

_SECOND = 1_000_000_000


@dataclass(frozen=True)
class LearningEvent:
    """One change of one learned address."""

    change: MacChange
    tenant: int
    """By index."""
    mac: int
    place: Local | Remote | Group
    """Where the address is now, or was until it aged. (A group only if the host itself asked to learn that.)"""
    time: int = field(compare=False)
    """Nanoseconds since the epoch. Events are equal whenever they happened."""


def event_item(event: LearningEvent, names: Names) -> dict[str, Any]:
    """For programs, as JSON."""
    seconds, nanoseconds = divmod(event.time, _SECOND)
    return {
        "time": f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z",
        "event": event.change.label,
        "tenant": names.tenant(event.tenant),
        "tenant_index": event.tenant,
        "mac": format_mac(event.mac),
        "place": names.place(event.place),
        **place_numbers(event.place),
    }
