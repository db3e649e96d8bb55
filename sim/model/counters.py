"""What a TEP counts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .reason import Reason

__all__ = ["PortCounters", "TrafficCounters"]


@dataclass
class TrafficCounters:
    """Traffic with a remote TEP, or with the VMs of a tenant; octets are those of the ports."""

    rx_frames: int = 0
    """Frames that were taken from there: good ones that no rule dropped."""
    rx_octets: int = 0
    tx_frames: int = 0
    tx_octets: int = 0

    def receive(self, frame: bytes) -> None:
        self.rx_frames += 1
        self.rx_octets += len(frame)

    def send(self, frame: bytes) -> None:
        self.tx_frames += 1
        self.tx_octets += len(frame)


@dataclass
class PortCounters:
    """Counters of one port; octets are those of frames without FCS, as the core sees them."""

    rx_frames: int = 0
    """Every frame that ended, bad ones too."""
    rx_octets: int = 0
    tx_frames: int = 0
    tx_octets: int = 0
    """Before the wire pads short frames."""
    queue_full: int = 0
    """Copies that found the egress queue full. Always 0 in the model: its queues are endless."""
    rx_overflow: int = 0
    """Frames that the MAC lost. Always 0 in the model, which has none; likewise below."""
    tx_underrun: int = 0
    drops: Counter[Reason] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        return {
            "rx_frames": self.rx_frames,
            "rx_octets": self.rx_octets,
            "tx_frames": self.tx_frames,
            "tx_octets": self.tx_octets,
            "queue_full": self.queue_full,
            "rx_overflow": self.rx_overflow,
            "tx_underrun": self.tx_underrun,
            "drops": {reason.value: self.drops[reason] for reason in Reason},
        }
