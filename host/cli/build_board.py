"""`opentep build BOARD`: the complete TEP for a board, and a report that people can read."""

from pathlib import Path

import click
from opentep.boards.board import Board
from opentep.boards.flow import BuildOptions, build_bitstream
from opentep.boards.identity import build_number
from opentep.boards.measure import measure_design
from opentep.boards.plan import BuildPlan, make_plan
from opentep.boards.report import REPORT, BoardReport
from opentep.boards.timing import ClockTiming
from opentep.gateware.params import Params
from opentep.host.fabric.core_section import core_section

from .build_core import print_areas
from .build_progress import build_progress
from .output import print_json, print_table

__all__ = ["board_build", "board_components"]

_SHOWN_DEPTH = 2
_RESOURCES = {
    "TRELLIS_COMB": "COMB (LUT4)",
    "TRELLIS_FF": "FF",
    "DP16KD": "block RAM",
    "MULT18X18D": "multiplier",
    "EHXPLLL": "PLL",
    "DCCA": "global clock",
    "TRELLIS_IO": "pin",
}
"""What people call nextpnr's resources, in the order of interest."""


def board_build(
    board: Board, params: Params, directory: Path | None, options: BuildOptions, *, as_json: bool
) -> bool:
    """Build, show what was reached, and tell whether there is a bitstream."""
    where = directory or Path("build") / board.name
    number = build_number(board.name, params.as_dict())
    with build_progress() as progress:
        progress("elaboration", "running")
        plan = _plan(board, params, number)
        progress("elaboration", "done")
        report = build_bitstream(
            board.name,
            plan,
            board.timing_model,
            where,
            build=number,
            params=params.as_dict(),
            options=options,
            progress=progress,
        )
    if as_json:
        print_json(report.as_dict())
    else:
        _print(report, where)
    for problem in report.problems:
        click.echo(f"opentep: {problem}", err=True)
    return report.ok


def board_components(board: Board, params: Params, depth: int, *, as_json: bool) -> None:
    """Show the size of the components of a board's design."""
    plan = _plan(board, params, build_number(board.name, params.as_dict()))
    print_areas(measure_design(plan.rtlil, board.name, depth), as_json=as_json)


def _plan(board: Board, params: Params, number: int) -> BuildPlan:
    # Imported late: the table of boards and completion do without the gateware.
    from opentep.boards.top import BoardTop, check_params

    try:
        check_params(board, params)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--param") from None
    return make_plan(board.platform(), BoardTop(board, params, number))


def _print(report: BoardReport, where: Path) -> None:
    model = "" if report.timing_model.startswith(report.device) else f", timing of {report.timing_model}"
    tried = f"seed {report.seed} of {len(report.timings)} tried"
    click.echo(f"{report.board}: {report.device}{model}, build {report.build:08x}, {tried}")
    rows = [
        (clock.name, f"{clock.need_mhz:.1f}", f"{clock.achieved_mhz:.1f}", f"{clock.margin:+.0%}", *spread)
        for clock in report.best.clocks
        for spread in [[f"{value:.1f}" for value in report.spread(clock.name)]]
    ]
    print_table(("clock", "needs MHz", "reaches", "margin", "median", "worst"), rows)
    print_table(
        ("resource", "used", "available"),
        [(title, *report.resources[name]) for name, title in _RESOURCES.items() if name in report.resources],
    )
    depth = report.board.count(".") + _SHOWN_DEPTH
    print_areas([area for area in report.components if area.name.count(".") <= depth])
    for clock in report.best.clocks:
        _print_path(clock)
    if report.bitstream is not None:
        path = where / report.bitstream.name
        click.echo(f"{path}: {report.bitstream.size:,} octets, SHA-256 {report.bitstream.sha256}")
        core = ", ".join(f"{name}: {value}" for name, value in core_section(report.params).items())
        click.echo(f"what a document says of such a TEP: core: {{{core}}}")
    click.echo(f"{where / REPORT}: all of this, crossings between clocks, and versions of the tools")


def _print_path(clock: ClockTiming) -> None:
    if clock.path:
        click.echo(f"slowest path of {clock.name}, from {clock.start} to {clock.end}:")
        for step in clock.path:
            click.echo(f"  {step.delay_ns:5.2f} ns  {step.component} ({step.cells} cells)")
