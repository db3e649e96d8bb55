"""How long frames occupy an Ethernet wire."""

from dataclasses import dataclass

from opentep.gateware.params import MIN_FRAME

__all__ = ["GAP", "GIGABIT", "OVERHEAD", "Lane", "Slot", "pad"]

GIGABIT = 1_000_000_000
"""Bits per second."""

_PREAMBLE = 8
_FCS = 4
GAP = 12
"""Octet times of silence between frames (IEEE 802.3, 4.4.2)."""
OVERHEAD = _PREAMBLE + _FCS + GAP
"""Octet times that a frame takes beyond its own octets (without FCS)."""


def pad(frame: bytes) -> bytes:
    """``frame`` (without FCS) as long as the wire makes it: at least 60 octets, filled with zeros."""
    return frame.ljust(MIN_FRAME, b"\0")


@dataclass(frozen=True)
class Slot:
    """When a frame is on the wire (ns): from its first octet (behind the preamble) to behind its FCS."""

    start: int
    end: int


class Lane:
    """One direction of one wire: hands out slots in order, never faster than the line."""

    def __init__(self, rate: int = GIGABIT):
        """``rate`` in bits per second."""
        if rate < 1:
            raise ValueError(f"rate must be at least 1 bit/s, not {rate}")
        self.rate = rate
        self._free = 0
        """When the next frame may start."""

    def octets_ns(self, octets: int) -> int:
        """Time of ``octets`` on the wire, rounded up to whole nanoseconds."""
        return -(-octets * 8_000_000_000 // self.rate)

    def slot(self, length: int, earliest: int) -> Slot:
        """Where a frame of ``length`` octets without FCS would stand that may start at time ``earliest``."""
        start = max(earliest, self._free)
        return Slot(start, start + self.octets_ns(max(length, MIN_FRAME) + _FCS))

    def send(self, length: int, earliest: int) -> Slot:
        """The slot of a frame of ``length`` octets without FCS that may start at time ``earliest``."""
        slot = self.slot(length, earliest)
        self._free = slot.start + self.octets_ns(max(length, MIN_FRAME) + OVERHEAD)
        return slot
