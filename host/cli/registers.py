"""`opentep registers`."""

import click
from opentep.gateware.params import Params
from opentep.host.reference import render_markdown, render_systemrdl

from .options import params_option

__all__ = ["command"]

_FORMATS = {"markdown": render_markdown, "systemrdl": render_systemrdl}


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_FORMATS)),
    default="markdown",
    show_default=True,
    help="A page to read, or SystemRDL for the PeakRDL tools (HTML, C headers, UVM).",
)
@params_option
def command(form: str, params: Params) -> None:
    """Print the reference of all registers and tables of a core.

    \b
    opentep registers | less
    opentep registers --format systemrdl --param access_ports=3 > tep.rdl
    """
    click.echo(_FORMATS[form](params), nl=False)
