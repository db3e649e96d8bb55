"""`opentep board`."""

from dataclasses import asdict
from pathlib import Path

import click
from opentep.gateware.params import Params
from opentep.sim.interfaces import Attachment, InterfaceError

from .errors import CommandError
from .options import params_option

__all__ = ["command"]


def _to_ports(
    ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> list[tuple[str, Attachment]]:
    ports = []
    for value in values:
        name, equals, attachment = value.partition("=")
        if not equals or not name or "/" in name:
            raise click.BadParameter(f"'{value}' is not NAME=KIND:IFACE[@NETNS]", ctx, parameter)
        try:
            ports.append((name, Attachment.parse(attachment)))
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, parameter) from None
    return ports


@click.command()
@click.option(
    "--port",
    "ports",
    multiple=True,
    required=True,
    metavar="NAME=KIND:IFACE[@NETNS]",
    callback=_to_ports,
    help="Attach the next port (access ports first). KIND is tap (made if missing) or dev (an existing "
    "interface); NAME=none leaves the port open. NETNS is a network namespace by name or path.",
)
@click.option(
    "--link",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Where the pty of the host link shall appear; use it like a serial port.",
)
@click.option(
    "--rate",
    type=click.IntRange(1),
    help="Simulated speed into the core, in bit/s.  [default: that of the datapath]",
)
@click.option(
    "--capture",
    metavar="DIRECTORY",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write what passes each port to DIRECTORY/NAME.pcap.",
)
@params_option
def command(
    ports: list[tuple[str, Attachment]],
    link: Path | None,
    rate: int | None,
    capture: Path | None,
    params: Params,
) -> None:
    """Run the gateware as a live virtual board: ports on network interfaces, host link on a pty.

    Runs until SIGINT or SIGTERM, and tells what passed each port. The first start builds the simulator, which takes a
    while.

    \b
    opentep board --port server=tap:rack1-server --port uplink=dev:eth1 --link /tmp/rack1
    opentep apply --tep rack1 --link /tmp/rack1
    """
    from opentep.sim.live import BoardConfig, PortConfig, run_board

    try:
        config = BoardConfig(params, tuple(PortConfig(*port) for port in ports), link, rate, capture)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    attached = ", ".join(f"{name} = {attachment}" for name, attachment in ports)
    try:
        stats = run_board(
            config,
            progress=lambda message: click.echo(message, err=True),
            ready=lambda: click.echo(f"running: {attached}" + (f", link {link}" if link else "")),
        )
    except (InterfaceError, ValueError) as error:
        raise CommandError(str(error)) from None
    for name, counters in stats.items():
        click.echo(f"{name}: " + ", ".join(f"{what} {count}" for what, count in asdict(counters).items()))
