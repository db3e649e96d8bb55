"""`opentep export`."""

import shutil
from pathlib import Path

import click
import yaml
from opentep.gateware.params import Params
from opentep.host.controller.working_copy import WorkingCopy

from .errors import CommandError
from .options import params_option
from .store import chosen_location, open_stored

__all__ = ["command"]


def _write(path: Path, text: str) -> None:
    """All of it or nothing: where the disk is full, what was there stays."""
    if path.exists() and not path.is_file():  # a pipe, or a terminal
        path.write_text(text, encoding="utf-8")
        return
    path = path.resolve()
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        if path.exists():
            shutil.copymode(path, new)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


@click.group()
def command() -> None:
    """Write the stored fabric as a document, or the TEP for the tools of FPGA vendors.

    \b
    opentep export fabric -o fabric.yaml
    opentep export verilog -d build/verilog
    """


@command.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to. A document of this name that is there is replaced.  [default: standard output]",
)
@click.option(
    "--complete",
    is_flag=True,
    help="With MACs, VLAN IDs and OUIs that were allocated: a copy that needs no store.",
)
def fabric(output: Path | None, complete: bool) -> None:
    """The stored fabric as a document.

    With -o the document goes by the revision that is stored now: `opentep apply` tells if others change the same
    meanwhile.

    \b
    opentep export fabric -o fabric.yaml
    opentep export fabric --complete > backup.yaml
    """
    with open_stored() as repository:
        if not repository.revision:
            raise CommandError(f"nothing is stored in {chosen_location()}")
        revision, document = repository.document(complete=complete)
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
        if output is None:
            click.echo(text, nl=False)
            return
        _write(output, text)
        WorkingCopy(output).goes_by(repository.identity, revision)


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
    from opentep.boards.export import export_tep
    from opentep.boards.identity import build_number

    export = export_tep(params, build_number("verilog", params.as_dict()))
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in export.files.items():
        (directory / name).write_text(text)
        click.echo(directory / name)
