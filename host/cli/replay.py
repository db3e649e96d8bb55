"""`opentep replay`."""

from pathlib import Path
from typing import Literal

import click
from opentep.sim.pcap import CaptureError
from opentep.sim.replay import ReplayError, replay

from .errors import CommandError
from .options import fabric_option, json_option
from .output import print_json, print_table, progress_bar
from .store import fabric_of

__all__ = ["command"]


def _split(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Path]:
    inputs: dict[str, Path] = {}
    for value in values:
        port, equals, file = value.partition("=")
        if not equals or not port or not file:
            raise click.BadParameter(f"'{value}' is not PORT=FILE", ctx, parameter)
        if port in inputs:
            raise click.BadParameter(f"port '{port}' is given twice", ctx, parameter)
        inputs[port] = Path(file)
    return inputs


@click.command()
@fabric_option
@click.option("-t", "--tep", metavar="NAME", required=True, help="TEP in the document.")
@click.option(
    "-i",
    "--in",
    "inputs",
    metavar="PORT=FILE",
    multiple=True,
    required=True,
    callback=_split,
    help="Capture (pcap or pcapng) that enters PORT. May be repeated.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for PORT.pcap of every port, counters.json and events.json.",
)
@click.option(
    "--backend",
    type=click.Choice(["rtl", "model"]),
    default="rtl",
    show_default=True,
    help="The Verilated gateware, or the reference model in Python.",
)
@click.option(
    "--rate",
    type=click.IntRange(1_000_000),
    default=1_000_000_000,
    show_default=True,
    help="Wire speed in bit/s.",
)
@json_option
def command(
    fabric: Path,
    tep: str,
    inputs: dict[str, Path],
    out: Path,
    backend: Literal["rtl", "model"],
    rate: int,
    as_json: bool,
) -> None:
    """Run captures through one TEP, configured as `apply` would configure hardware.

    Frames enter at their time stamps, never faster than the wire allows. What leaves the ports is captured
    with nanosecond time stamps of simulated time.

    \b
    opentep replay --fabric fabric.yaml --tep rack1 --in server=vms.pcap --out replayed
    opentep replay -f fabric.yaml -t rack1 -i uplink=fabric.pcapng -o replayed --backend model
    """
    document = fabric_of(fabric)
    try:
        params = document.tep(tep).params
    except KeyError as error:
        raise click.UsageError(error.args[0]) from None
    try:
        with progress_bar("frames") as progress:
            result = replay(
                document.tables[tep], inputs, out, backend, rate=rate, params=params, progress=progress
            )
    except ReplayError as error:
        raise click.UsageError(str(error)) from None
    except CaptureError as error:
        raise CommandError(str(error)) from None
    if as_json:
        print_json({"entered": result.entered, "left": result.left, "out": str(out)})
        return
    rows = [
        (port, result.entered[port], result.left[port], str(out / f"{port}.pcap")) for port in result.left
    ]
    print_table(("port", "frames in", "frames out", "capture"), rows)
