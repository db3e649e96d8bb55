"""What a benchmark found: figures with their theoretical limits."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["IMIX", "Detail", "Report", "Result", "Speed"]

IMIX = "IMIX"
"""Name of the mix of sizes, where a size would stand."""

Detail = str | int | float

_FULL_RATE = ("throughput", "forwarding", "broadcast")


@dataclass(frozen=True)
class Result:
    """One figure."""

    suite: str
    """``rfc2544`` or ``rfc2889``."""
    test: str
    """What was measured, such as ``throughput``."""
    flow: str
    """Traffic it was measured with."""
    size: str
    """Octets of a frame, :data:`IMIX`, or empty if the test has no size."""
    measured: float
    limit: float | None
    """What an ideal device on the same wires would reach; ``None`` if nothing limits it."""
    unit: str
    method: str
    """How it was measured."""
    details: dict[str, Detail] = field(default_factory=dict)
    """Further figures; results of one test have the same keys."""
    passed: bool | None = None
    """Whether the device did what it has to; ``None`` if the figure is only reported."""

    @property
    def share(self) -> float | None:
        """Measured as a part of the limit."""
        return None if not self.limit else self.measured / self.limit

    @property
    def at_full_rate(self) -> bool:
        """Whether it says that no frame may be lost at 100 % of the limit."""
        return self.test in _FULL_RATE

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "share": self.share}


@dataclass(frozen=True)
class Speed:
    """How fast the simulation ran, configuration of the board left out."""

    frames: int
    """Entered ports."""
    clocks: int
    """Really simulated."""
    simulated_ns: int
    host_seconds: float

    @property
    def frames_per_second(self) -> float:
        return self.frames / max(self.host_seconds, 1e-9)

    @property
    def clocks_per_second(self) -> float:
        return self.clocks / max(self.host_seconds, 1e-9)

    def as_dict(self) -> dict[str, Any]:
        return {
            **vars(self),
            "frames_per_second": self.frames_per_second,
            "clocks_per_second": self.clocks_per_second,
        }


@dataclass(frozen=True)
class Report:
    """All results from one build of the gateware."""

    params: dict[str, int]
    rate: int
    """Bits per second of every wire."""
    results: tuple[Result, ...]
    speed: Speed

    def named(self, test: str) -> Iterable[Result]:
        """Results of one test."""
        return (result for result in self.results if result.test == test)

    @property
    def failed(self) -> list[Result]:
        return [result for result in self.results if result.passed is False]

    def as_dict(self) -> dict[str, Any]:
        return {
            "what": "Verilated gateware in simulated time, no hardware",
            "params": self.params,
            "rate": self.rate,
            "results": [result.as_dict() for result in self.results],
            "speed": self.speed.as_dict(),
        }
