"""`opentep build`."""

from pathlib import Path

import click
from opentep.boards.area import measure_core_area
from opentep.boards.build import build_core
from opentep.boards.devices import DEVICES
from opentep.boards.tools import ToolError
from opentep.gateware.params import Params

from .errors import EXIT_FAILED, CommandError
from .options import json_option, params_option
from .output import print_json, print_table

__all__ = ["command"]


@click.command(epilog="Exit codes: 0 built, 1 the build failed or is slower than --frequency, 2 wrong usage.")
@click.option(
    "--core-only",
    is_flag=True,
    required=True,
    help="The core alone, out of context: resources and speed, no bitstream.",
)
@click.option(
    "--device",
    type=click.Choice(list(DEVICES)),
    default="LFE5U-25F-6",
    show_default=True,
    help="FPGA and speed.",
)
@params_option
@click.option("--seeds", type=click.IntRange(1, 20), default=3, show_default=True, help="Placements to try.")
@click.option(
    "--components",
    "depth",
    type=click.IntRange(0),
    metavar="DEPTH",
    help="Only the size of the core's components, down to this depth; nothing is placed.",
)
@click.option(
    "--frequency",
    type=float,
    default=125.0,
    show_default=True,
    help="MHz that the median of all seeds must reach.",
)
@click.option(
    "-d",
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep netlists, logs and reports here.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    core_only: bool,
    device: str,
    params: Params,
    seeds: int,
    depth: int | None,
    frequency: float,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Synthesise, place and route the gateware with the open tools from PyPI.

    \b
    opentep build --core-only
    opentep build --core-only --device LFE5UM-45F-8 --param width=64 --seeds 5 --frequency 156.25
    opentep build --core-only --components 2
    """
    if depth is not None:
        _show_components(params, depth, as_json=as_json)
        return
    try:
        report = build_core(
            params,
            device,
            seeds=range(1, seeds + 1),
            frequency=frequency,
            directory=directory,
            progress=lambda message: click.echo(message, err=True),
        )
    except ToolError as error:
        raise CommandError(str(error)) from None
    if as_json:
        print_json(report.as_dict())
    else:
        click.echo(f"{device}: median {report.median:.1f} MHz, worst {report.worst:.1f} MHz")
        print_table(("seed", "MHz"), [(seed, f"{mhz:.1f}") for seed, mhz in report.fmax.items()])
        rows = [(name, used, report.available[name]) for name, used in report.cells.items()]
        print_table(("resource", "used", "available"), rows)
        for step in report.critical_path:
            click.echo(f"  {step}")
    if report.median < frequency:
        click.echo(f"opentep: the median misses {frequency} MHz", err=True)
        ctx.exit(EXIT_FAILED)


def _show_components(params: Params, depth: int, *, as_json: bool) -> None:
    try:
        sizes = measure_core_area(params, depth)
    except ToolError as error:
        raise CommandError(str(error)) from None
    if as_json:
        print_json({"components": [size.as_dict() for size in sizes]})
    else:
        rows = [(size.name, size.comb, size.ff, size.block_rams) for size in sizes]
        print_table(("component", "COMB", "FF", "block RAM"), rows)
