"""Core-only builds: synthesis, place and route out of context, and an honest report."""

import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from amaranth.lib import wiring

from ..gateware.core import Core
from ..gateware.params import Params
from .devices import DEVICES
from .hierarchy import Hierarchy
from .placement import Placement, place_and_route
from .seeds import run_seeds
from .slow_ends import DETAILED, SlowEnd, slow_ends
from .synthesis import NETLIST, synthesise_component
from .tools import Cancel, Progress, ToolError, silent

__all__ = ["BuildReport", "build_component", "build_core"]


@dataclass(frozen=True)
class BuildReport:
    """Outcome of a build on one device."""

    device: str
    fmax: dict[int, float]
    """MHz per seed."""
    cells: dict[str, int] = field(default_factory=dict)
    """Used resources by nextpnr's names."""
    available: dict[str, int] = field(default_factory=dict)
    critical_path: tuple[str, ...] = ()
    """Cells on the critical path of the slowest seed, source first."""
    slow_ends: tuple[SlowEnd, ...] = ()
    """Of the slowest seed, as many as were asked for; names without ``inner.`` are registers around the component."""

    @property
    def median(self) -> float:
        return statistics.median(self.fmax.values())

    @property
    def worst(self) -> float:
        return min(self.fmax.values())

    def as_dict(self) -> dict[str, object]:
        return {
            "device": self.device,
            "fmax_mhz": self.fmax,
            "median_mhz": self.median,
            "worst_mhz": self.worst,
            "cells": self.cells,
            "available": self.available,
            "critical_path": list(self.critical_path),
            "slow_ends": [end.as_dict() for end in self.slow_ends],
        }


def build_core(
    params: Params,
    device: str = "LFE5U-25F-6",
    *,
    seeds: Sequence[int] = (1, 2, 3),
    frequency: float = 125.0,
    slowest: int = 0,
    directory: Path | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Build the TEP core alone; see :func:`build_component`."""
    return build_component(
        Core(params),
        device,
        seeds=seeds,
        frequency=frequency,
        slowest=slowest,
        directory=directory,
        progress=progress,
    )


def build_component(
    component: wiring.Component,
    device: str = "LFE5U-25F-6",
    *,
    seeds: Sequence[int] = (1, 2, 3),
    frequency: float = 125.0,
    slowest: int = 0,
    directory: Path | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Synthesise ``component`` between registers and place and route it once per seed (two at a time).

    ``frequency`` is the target in MHz. The report says what was reached; it does not judge. It tells the ends of the
    ``slowest`` paths, so many.
    Raises :class:`ToolError` for an unknown device, a missing tool, or a design that does not fit.
    """
    if device not in DEVICES:
        raise ToolError(f"unknown device {device!r}; known: {', '.join(DEVICES)}")
    part = DEVICES[device]
    with tempfile.TemporaryDirectory(prefix="opentep-build-") as scratch:
        where = (directory or Path(scratch)).resolve()
        where.mkdir(parents=True, exist_ok=True)
        progress("synthesis", "running")
        synthesise_component(component, where)
        progress("synthesis", "done")
        arguments = [*part.options, "--out-of-context", "--json", NETLIST, "--freq", str(frequency)]
        arguments += [DETAILED] if slowest else []

        def route(seed: int, cancel: Cancel) -> Placement:
            return place_and_route(where, arguments, seed, progress=progress, cancel=cancel)

        placements = run_seeds(seeds, route, is_enough=lambda _: False)
        reports = {seed: placement.report for seed, placement in placements.items()}
        fmax = {seed: min(clock["achieved"] for clock in r["fmax"].values()) for seed, r in reports.items()}
        worst = reports[min(fmax, key=lambda seed: fmax[seed])]
        ends = _slow_ends(where, worst, slowest) if slowest else ()
    return BuildReport(
        device,
        {seed: round(mhz, 1) for seed, mhz in fmax.items()},
        {name: use["used"] for name, use in worst["utilization"].items() if use["used"]},
        {name: use["available"] for name, use in worst["utilization"].items() if use["used"]},
        _critical_path(worst),
        ends,
    )


def _slow_ends(where: Path, report: dict, count: int) -> tuple[SlowEnd, ...]:
    netlist = json.loads((where / NETLIST).read_text())["modules"]["top"]
    return slow_ends(report, netlist, Hierarchy.read(where), count)


def _critical_path(report: dict) -> tuple[str, ...]:
    for path in report.get("critical_paths", []):
        if path["from"].split()[-1] == path["to"].split()[-1]:
            return tuple(
                f"{step['from']['cell']} -> {step['to']['cell']} {step['delay']:.2f} ns ({step['type']})"
                for step in path["path"]
            )
    return ()
