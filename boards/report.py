"""The outcome of a board's build: what was reached, what it takes, and whether it may be used."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .area import ComponentArea
from .timing import Timing

__all__ = ["REPORT", "BitstreamFile", "BoardReport", "Problem"]

REPORT = "report.json"
"""Its name, beside the bitstream."""


@dataclass(frozen=True)
class BitstreamFile:
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Problem:
    """Why there is no bitstream."""

    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}"


@dataclass(frozen=True)
class BoardReport:
    """One build of one board."""

    board: str
    device: str
    timing_model: str
    build: int
    """Number of the build, as in the register ``id.build``."""
    params: Mapping[str, int]
    wanted_margin: float
    """By how much every clock had to be faster than its constraint: 0.1 is ten percent."""
    timings: Mapping[int, Timing]
    """By seed."""
    resources: Mapping[str, tuple[int, int]]
    """Used and available, by nextpnr's names."""
    components: tuple[ComponentArea, ...]
    tools: Mapping[str, str] = field(default_factory=dict)
    bitstream: BitstreamFile | None = None

    @property
    def seed(self) -> int:
        """The best one; the first of equals."""
        return max(self.timings, key=lambda seed: (self.timings[seed].margin, -seed))

    @property
    def best(self) -> Timing:
        return self.timings[self.seed]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Empty if the build may be used."""
        problems = [
            Problem(
                f"clock {name} has no constraint",
                "remedy: give its pin a Clock(...) in the board's resources, or derive it by a PLL from one that has",
            )
            for name in self.best.unconstrained
        ]
        wanted = f" with a margin of {self.wanted_margin:.0%}" if self.wanted_margin else ""
        for clock in self.best.clocks:
            need = clock.need_mhz * (1 + self.wanted_margin)
            if clock.achieved_mhz < need:
                way = f" between {clock.start} and {clock.end}" if clock.start else ""
                problems.append(
                    Problem(
                        f"clock {clock.name} reaches {clock.achieved_mhz:.2f} MHz and misses"
                        f" {clock.need_mhz:.2f} MHz{wanted} by {need - clock.achieved_mhz:.2f} MHz{way}",
                        "try more --seeds, smaller tables (--param), or a slower clock",
                    )
                )
        return tuple(problems)

    @property
    def ok(self) -> bool:
        return not self.problems

    def spread(self, clock: str) -> tuple[float, float]:
        """Median and worst MHz that ``clock`` reached over all seeds."""
        timings = self.timings.values()
        reached = [one.achieved_mhz for timing in timings for one in timing.clocks if one.name == clock]
        return statistics.median(reached), min(reached)

    def as_dict(self) -> dict[str, object]:
        return {
            "board": self.board,
            "ok": self.ok,
            "problems": [str(problem) for problem in self.problems],
            "bitstream": None if self.bitstream is None else vars(self.bitstream),
            "build": f"{self.build:08x}",
            "params": dict(self.params),
            "device": self.device,
            "timing_model": self.timing_model,
            "wanted_margin_percent": round(self.wanted_margin * 100, 1),
            "seed": self.seed,
            "clocks": [
                clock.as_dict() | {"median_mhz": round(median, 2), "worst_mhz": round(worst, 2)}
                for clock in self.best.clocks
                for median, worst in [self.spread(clock.name)]
            ],
            "crossings": [crossing.as_dict() for crossing in self.best.crossings],
            "seeds": {
                seed: {clock.name: round(clock.achieved_mhz, 2) for clock in timing.clocks}
                for seed, timing in self.timings.items()
            },
            "resources": {
                name: {"used": used, "available": available}
                for name, (used, available) in self.resources.items()
            },
            "components": [component.as_dict() for component in self.components],
            "tools": dict(self.tools),
        }

    def write(self, where: Path) -> None:
        (where / REPORT).write_text(json.dumps(self.as_dict(), indent=2) + "\n")
