"""`opentep build`."""

from pathlib import Path

import click
from click.core import ParameterSource
from opentep.boards.board import Board
from opentep.boards.devices import DEVICES
from opentep.boards.flow import BuildOptions
from opentep.gateware.params import Params

from .boards import BoardName, show_boards
from .build_board import board_build, board_components
from .build_core import core_build, core_components
from .errors import EXIT_FAILED
from .options import change_params, json_option, params_changes_option

__all__ = ["command"]

_CORE_SEEDS = 3
_BOARD_SEEDS = 4
_OF_CORE = ("device", "frequency", "slowest")
_OF_BOARDS = ("all_seeds", "margin")
"""Options that have a meaning for one of the two alone."""
_OF_PLACEMENT = ("seeds", "directory", *_OF_CORE, *_OF_BOARDS)
_OF_BUILDING = ("params", "depth", *_OF_PLACEMENT)


@click.command(
    epilog="Exit codes: 0 built, 1 the build failed or a clock misses what it needs, 2 wrong usage.",
)
@click.argument("board", type=BoardName(), required=False)
@click.option("--list", "show_list", is_flag=True, help="Print a table of all boards.")
@click.option(
    "--core-only", is_flag=True, help="The core alone, out of context: resources and speed, no bitstream."
)
@params_changes_option
@click.option(
    "--seeds",
    type=click.IntRange(1, 20),
    metavar="N",
    help=f"Placements to try. {_BOARD_SEEDS} at most for a board, whose first good one ends the search;"
    f" {_CORE_SEEDS} for --core-only, which runs all.",
)
@click.option(
    "--all-seeds", is_flag=True, help="Board: run all of them, for median and worst; the best is taken."
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 100),
    default=0.0,
    show_default=True,
    metavar="PERCENT",
    help="Board: by how much every clock must be faster than it needs to be.",
)
@click.option(
    "--components",
    "depth",
    type=click.IntRange(0),
    metavar="DEPTH",
    help="Only the size of the components, down to this depth; nothing is placed.",
)
@click.option(
    "--device",
    type=click.Choice(list(DEVICES)),
    default="LFE5U-25F-6",
    show_default=True,
    help="--core-only: FPGA and speed.",
)
@click.option(
    "--frequency",
    type=float,
    default=125.0,
    show_default=True,
    help="--core-only: MHz that the median of all seeds must reach.",
)
@click.option(
    "--slowest",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="--core-only: where the slowest paths end, so many registers.",
)
@click.option(
    "-d",
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where bitstream, netlists, logs and reports go: build/BOARD, or nowhere with --core-only.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    board: Board | None,
    show_list: bool,
    core_only: bool,
    params: dict[str, int],
    seeds: int | None,
    all_seeds: bool,
    margin: float,
    depth: int | None,
    device: str,
    frequency: float,
    slowest: int,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Build a bitstream of the complete TEP for BOARD with the open tools from PyPI.

    There is a bitstream only if every clock has a constraint and keeps it. What was reached, who takes how much of the
    device and the slowest paths are printed, and kept as report.json beside the bitstream.

    \b
    opentep build --list
    opentep build colorlight-5a-75b
    opentep build versa-ecp5 --param macs=8192 --seeds 8 --margin 10
    opentep build versa-ecp5 --seeds 5 --all-seeds --json
    opentep build --core-only --device LFE5UM-45F-8 --param width=64 --frequency 156.25
    opentep build --core-only --seeds 1 --slowest 20
    opentep build --core-only --components 2
    """
    if [board is not None, show_list, core_only].count(True) != 1:
        raise click.UsageError(
            "one of BOARD, --list and --core-only, please (`opentep build --list` tells the boards)"
        )
    if show_list:
        _refuse(ctx, _OF_BUILDING, "--list")
        show_boards(as_json=as_json)
        return
    _refuse(ctx, _OF_CORE if board is not None else _OF_BOARDS, "--core-only" if board is None else "BOARD")
    changed = change_params(Params() if board is None else board.params, params)
    if depth is not None:
        _refuse(ctx, _OF_PLACEMENT, "--components")
        if board is None:
            core_components(changed, depth, as_json=as_json)
        else:
            board_components(board, changed, depth, as_json=as_json)
        return
    if board is None:
        numbers = tuple(range(1, (seeds or _CORE_SEEDS) + 1))
        ok = core_build(changed, device, numbers, frequency, slowest, directory, as_json=as_json)
    else:
        numbers = tuple(range(1, (seeds or _BOARD_SEEDS) + 1))
        options = BuildOptions(numbers, all_seeds, margin / 100)
        ok = board_build(board, changed, directory, options, as_json=as_json)
    if not ok:
        ctx.exit(EXIT_FAILED)


def _refuse(ctx: click.Context, names: tuple[str, ...], built: str) -> None:
    """UsageError if one of the options ``names`` is given, which say nothing about what is ``built``."""
    for option in ctx.command.params:
        given = option.name in names and ctx.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
        if given:
            raise click.UsageError(f"{max(option.opts, key=len)} does not go with {built}")
