"""`opentep build --core-only`: the core between registers, without a board."""

from collections.abc import Sequence
from pathlib import Path

import click
from opentep.boards.area import ComponentArea
from opentep.boards.build import BuildReport, build_core
from opentep.boards.measure import measure_core
from opentep.gateware.params import Params

from .build_progress import build_progress
from .output import print_json, print_table

__all__ = ["core_build", "core_components", "print_areas"]


def core_build(
    params: Params,
    device: str,
    seeds: Sequence[int],
    frequency: float,
    slowest: int,
    directory: Path | None,
    *,
    as_json: bool,
) -> bool:
    """Build, show what was reached, and tell whether the median is fast enough."""
    with build_progress() as progress:
        report = build_core(
            params,
            device,
            seeds=seeds,
            frequency=frequency,
            slowest=slowest,
            directory=directory,
            progress=progress,
        )
    if as_json:
        print_json(report.as_dict())
    else:
        _print(report)
    if report.median < frequency:
        click.echo(f"opentep: the median misses {frequency} MHz", err=True)
        return False
    return True


def core_components(params: Params, depth: int, *, as_json: bool) -> None:
    """Show the size of the core's components."""
    print_areas(measure_core(params, depth), as_json=as_json)


def print_areas(areas: Sequence[ComponentArea], *, as_json: bool = False) -> None:
    """A table of sizes."""
    if as_json:
        print_json({"components": [area.as_dict() for area in areas]})
    else:
        rows = [(area.name, area.comb, area.ff, area.block_rams) for area in areas]
        print_table(("component", "COMB", "FF", "block RAM"), rows)


def _print(report: BuildReport) -> None:
    click.echo(f"{report.device}: median {report.median:.1f} MHz, worst {report.worst:.1f} MHz")
    print_table(("seed", "MHz"), [(seed, f"{mhz:.1f}") for seed, mhz in report.fmax.items()])
    rows = [(name, used, report.available[name]) for name, used in report.cells.items()]
    print_table(("resource", "used", "available"), rows)
    for step in report.critical_path:
        click.echo(f"  {step}")
    if report.slow_ends:
        ends = [(f"{end.delay_ns:.2f}", end.name, end.cells, end.start) for end in report.slow_ends]
        print_table(("ns", "slow end", "cells", "from"), ends)
