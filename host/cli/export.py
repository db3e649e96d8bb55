"""`opentep export`."""

from pathlib import Path

import click
from opentep.boards.export import export_tep
from opentep.boards.identity import build_number
from opentep.gateware.params import Params

from .options import params_option

__all__ = ["command"]


@click.group()
def command() -> None:
    """Write the TEP for the tools of FPGA vendors.

    \b
    opentep export verilog -d build/verilog
    """


@command.command()
@params_option
@click.option(
    "-d",
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build") / "verilog",
    show_default=True,
    help="Where the files go.",
)
def verilog(params: Params, directory: Path) -> None:
    """The complete TEP, without MACs, as one Verilog file.

    Beside it: what each port means (Markdown), and constraints to begin with (XDC for AMD, SDC for others). 64 bits at
    156.25 MHz suit 10G, 512 bits at 200 MHz 100G.

    \b
    opentep export verilog --param width=64 --param clock_hz=156250000
    opentep export verilog --param width=512 --param clock_hz=200000000 -d tep100g
    """
    export = export_tep(params, build_number("verilog", params.as_dict()))
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in export.files.items():
        (directory / name).write_text(text)
        click.echo(directory / name)
