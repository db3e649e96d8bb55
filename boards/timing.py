"""What nextpnr's report says about clocks, in names that people know, and without what it takes for granted."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from .hierarchy import Hierarchy
from .placement import Placement
from .plan import UNCONSTRAINED_MHZ

__all__ = ["ClockTiming", "Crossing", "PathStep", "Timing", "read_timing"]

_ASYNC = "<async>"
_TOLERANCE_MHZ = 0.001
_CONSTRAINED = re.compile(
    r"constraining clock net '(\S+)' to|Derived frequency constraint of [\d.]+ MHz for net (\S+)"
)
_NO_PATHS = re.compile(r"Clock '(\S+)' has no interior paths")
_RELATED = re.compile(
    r"Max frequency for +(?:pos|neg)edge (\S+) +-> (?:pos|neg)edge (\S+): ([\d.]+) MHz \(\w+ at ([\d.]+) MHz\)"
)


@dataclass(frozen=True)
class PathStep:
    """Part of a path that stays in one component."""

    component: str
    """Path of names below the top, which is "top"."""
    delay_ns: float
    cells: int


@dataclass(frozen=True)
class ClockTiming:
    """One clock domain, or the paths between two domains whose clocks are related."""

    name: str
    need_mhz: float
    achieved_mhz: float
    path: tuple[PathStep, ...] = ()
    """The slowest one."""
    start: str = ""
    end: str = ""
    """Registers or RAMs at its ends."""

    @property
    def margin(self) -> float:
        """By how much it is faster than it must be: 0.1 is ten percent. Negative if it is not."""
        return self.achieved_mhz / self.need_mhz - 1

    def as_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "need_mhz": round(self.need_mhz, 2),
            "achieved_mhz": round(self.achieved_mhz, 2),
            "margin_percent": round(self.margin * 100, 1),
            "from": self.start,
            "to": self.end,
            "path": [asdict(step) for step in self.path],
        }


@dataclass(frozen=True)
class Crossing:
    """The slowest path from one clock domain to another one whose clock has no fixed phase to it."""

    source: str
    destination: str
    delay_ns: float
    start: str
    end: str

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Timing:
    """What one run of nextpnr reached."""

    clocks: tuple[ClockTiming, ...]
    """With a constraint, the one with the least margin first."""
    unconstrained: tuple[str, ...]
    """Clocks that nothing says a frequency of."""
    crossings: tuple[Crossing, ...]

    @property
    def margin(self) -> float:
        return min((clock.margin for clock in self.clocks), default=float("inf"))


def read_timing(placement: Placement, hierarchy: Hierarchy) -> Timing:
    """What ``placement`` reached, by clock.

    nextpnr knows clocks in whole picoseconds, so that what is needed may seem some 0.01 % more than it is.
    """
    report = placement.report
    paths = {path["from"].split()[-1]: path for path in report["critical_paths"] if _within_a_domain(path)}
    clocks, unconstrained = [], []
    for net, speed in report["fmax"].items():
        name = hierarchy.domain_of(net)
        if abs(speed["constraint"] - UNCONSTRAINED_MHZ) < _TOLERANCE_MHZ:
            unconstrained.append(name)
            continue
        path = paths[net]["path"]
        clocks.append(
            ClockTiming(
                name,
                speed["constraint"],
                speed["achieved"],
                tuple(_steps(path, hierarchy)),
                hierarchy.register_name(path[0]["from"]["cell"]),
                hierarchy.register_name(path[-1]["to"]["cell"]),
            )
        )
    for source, destination, achieved, constraint in _RELATED.findall(_final(placement.log)):
        name = f"{hierarchy.domain_of(source)} to {hierarchy.domain_of(destination)}"
        clocks.append(ClockTiming(name, float(constraint), float(achieved)))
    unconstrained += [hierarchy.domain_of(net) for net in _others_without_constraint(placement, hierarchy)]
    return Timing(
        tuple(sorted(clocks, key=lambda clock: clock.margin)),
        tuple(sorted(set(unconstrained))),
        tuple(_crossings(report["critical_paths"], hierarchy)),
    )


def _others_without_constraint(placement: Placement, hierarchy: Hierarchy) -> Iterator[str]:
    """Clocks that only reach other domains, or nothing, and so have no frequency in the report."""
    constrained = {name for pair in _CONSTRAINED.findall(placement.log) for name in pair}
    seen = set(_NO_PATHS.findall(placement.log))
    for path in placement.report["critical_paths"]:
        seen |= {end.split()[-1] for end in (path["from"], path["to"]) if end != _ASYNC}
    for net in seen - set(placement.report["fmax"]):
        if not hierarchy.names_of(net) & constrained:
            yield net


def _final(log: str) -> str:
    """The part of the log behind the routing: earlier ones tell of estimates."""
    return log.rpartition("Routing complete.")[2]


def _within_a_domain(path: dict) -> bool:
    return path["from"].split()[-1] == path["to"].split()[-1] != _ASYNC


def _steps(path: Sequence[dict], hierarchy: Hierarchy) -> Iterator[PathStep]:
    component, delay, cells = "", 0.0, set[str]()
    for step in path:
        here = hierarchy.component_of(step["to"]["cell"]) or "top"
        if here != component and cells:
            yield PathStep(component, round(delay, 2), len(cells))
            delay, cells = 0.0, set()
        component = here
        delay += step["delay"]
        cells.add(step["to"]["cell"])
    yield PathStep(component, round(delay, 2), len(cells))


def _crossings(paths: Sequence[dict], hierarchy: Hierarchy) -> Iterator[Crossing]:
    for path in paths:
        if not _within_a_domain(path) and _ASYNC not in (path["from"], path["to"]):
            source, destination = (hierarchy.domain_of(path[end].split()[-1]) for end in ("from", "to"))
            steps = path["path"]
            start = hierarchy.register_name(steps[0]["from"]["cell"])
            end = hierarchy.register_name(steps[-1]["to"]["cell"])
            yield Crossing(source, destination, round(sum(step["delay"] for step in steps), 2), start, end)
