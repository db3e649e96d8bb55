"""`opentep bench link`, `load` and `tables`: the host's side of a TEP."""

from pathlib import Path

import click
from opentep.gateware.params import Params
from opentep.host.bench import measure_link
from opentep.host.fill import fill_tenant_tables
from opentep.host.link.transport import SerialTransport

from .options import fabric_option, json_option, link_options, params_option, tep_option
from .output import print_json, print_table, progress_bar
from .target import one_target

__all__ = ["link", "load", "tables"]


@click.command()
@fabric_option
@tep_option
@link_options
@click.option("--simulated", is_flag=True, help="The Verilated link's UART at 3 Mbaud; needs no TEP.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    default=2.0,
    show_default=True,
    help="How long, per direction.",
)
@json_option
def link(
    fabric: Path,
    tep: str | None,
    link: str | None,
    baud: int | None,
    simulated: bool,
    seconds: float,
    as_json: bool,
) -> None:
    """How fast the host link carries table words.

    Writes to and reads from a scratch register, so that a running TEP is not disturbed. With a baud rate,
    from --baud or the document, it also says which share of the line's octets was used, and which of them
    carried words.

    \b
    opentep bench link --link /dev/ttyUSB0 --baud 3000000
    opentep bench link --tep rack1 --json
    opentep bench link --simulated
    """
    if simulated:
        _simulated_link(as_json)
        return
    target = one_target(fabric, tep, link, baud)
    rate = target.baud
    transport = SerialTransport(target.device) if rate is None else SerialTransport(target.device, rate)
    try:
        results = measure_link(transport, seconds)
    finally:
        transport.close()
    if as_json:
        print_json([result.as_dict(rate) for result in results])
        return
    rows = [
        (
            result.what,
            f"{result.words_per_second:,.0f}",
            f"{result.line_use(rate):.1%}" if rate else "",
            f"{result.payload_share(rate):.1%}" if rate else "",
            result.resent,
        )
        for result in results
    ]
    print_table(("direction", "words per second", "line in use", "words on the line", "resent"), rows)


def _simulated_link(as_json: bool) -> None:
    from opentep.sim.link_line import BAUD, measure

    shares = {"write": measure(), "read": measure(read=True)}
    if as_json:
        print_json([{"what": what, "baud": BAUD, "payload_share": share} for what, share in shares.items()])
        return
    print_table(
        ("direction", "words on the line"), [(what, f"{share:.1%}") for what, share in shares.items()]
    )


@click.command()
@params_option
@click.option("--baud", type=click.IntRange(9600), default=3_000_000, show_default=True)
@click.option(
    "--fill",
    type=click.IntRange(1, 90),
    default=90,
    show_default=True,
    metavar="PERCENT",
    help="Of the tables, from the beginning. Beyond 90 the MAC table may refuse an entry.",
)
@json_option
def load(params: Params, baud: int, fill: int, as_json: bool) -> None:
    """How long a TEP takes to get its tables over a serial line.

    All of them, then single VMs, as an agent writes them to a Verilated TEP; then all is read back. The line's time is
    simulated; the host's is this machine's. Takes some minutes.

    \b
    opentep bench load
    opentep bench load --fill 20
    opentep bench load --param tenants=64 --param macs=512 --baud 115200 --json
    """
    from opentep.sim.table_load import measure_table_load

    try:
        loads = list(
            measure_table_load(params, baud, fill / 100, lambda what: click.echo(f"{what} …", err=True))
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--param") from None
    if as_json:
        print_json([load.as_dict() for load in loads])
        return
    rows = [
        (
            load.what,
            load.changes,
            load.sent,
            load.received,
            f"{load.line_seconds * 1e3:,.1f}",
            f"{load.line_use:.0%}",
            f"{load.host_seconds * 1e3:,.1f}",
        )
        for load in loads
    ]
    columns = ("what", "changes", "octets to it", "from it", "line ms", "line in use", "host ms")
    print_table(columns, rows, title=f"{baud:,} baud")


@click.command()
@params_option
@click.option(
    "--tables", type=click.IntRange(1, 1000), default=10, show_default=True, help="To fill, of each shape."
)
@json_option
def tables(params: Params, tables: int, as_json: bool) -> None:
    """How far tenant tables fill, and what an insertion costs.

    Tables of every shape that a core may be built with, for as many tenants as --param tenants says, are filled with
    OUIs until one is refused. Needs no TEP: the host places the entries. Times are this machine's.

    \b
    opentep bench tables
    opentep bench tables --param tenants=4096 --tables 50 --json
    """
    with progress_bar("tables") as progress:
        results = list(fill_tenant_tables(params, tables, progress))
    if as_json:
        print_json([result.as_dict() for result in results])
        return
    rows = [
        (
            f"{result.choices} x {result.slots}",
            result.depth,
            f"{result.promised / result.depth:.1%}",
            f"{result.least / result.depth:.2%}",
            f"{result.median / result.depth:.2%}",
            f"{result.microseconds:.0f}",
            f"{result.longest_microseconds:.0f}",
            f"{result.moves:.2f}",
            result.most_moves,
        )
        for result in results
    ]
    columns = (
        "choices x slots",
        "slots",
        "promised",
        "least fill",
        "median",
        "us",
        "longest",
        "moves",
        "most",
    )
    print_table(columns, rows)
