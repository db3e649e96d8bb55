"""`opentep neighbours`."""

import json
import time
from pathlib import Path
from typing import Any

import click
from opentep.host.diff import Names
from opentep.host.fabric.addresses import format_ipv6, format_mac
from opentep.host.neighbours.cache import Neighbour
from opentep.host.neighbours.service import NeighbourService, applied, known_next_hops, routers

from .errors import EXIT_FAILED, CommandError
from .options import fabric_option, json_option, link_options, tep_option
from .output import Cell, print_json, print_table
from .target import one_target

__all__ = ["command"]


def _item(neighbour: Neighbour, names: Names) -> dict[str, Any]:
    return {
        "port": names.port(neighbour.port),
        "address": format_ipv6(neighbour.address),
        "mac": None if neighbour.mac is None else format_mac(neighbour.mac),
        "state": neighbour.state.value,
        "answers": not neighbour.silent,
    }


def _row(item: dict[str, Any]) -> tuple[Cell, ...]:
    state = item["state"] if item["answers"] else f"{item['state']}, does not answer"
    return item["port"], item["address"], item["mac"] or "unknown", state


@click.command(epilog="Exit codes: 0 all routers answer, 1 one does not, 2 wrong usage or document.")
@fabric_option
@tep_option
@link_options
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C; tell every change of state.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    fabric: Path,
    tep: str | None,
    link: str | None,
    baud: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Find the routers behind a TEP's fabric ports by neighbour discovery (RFC 4861), and show them.

    For ports that have a 'router' in the document. Each is asked whether it is still where the TEP sends; the outer
    headers follow one that has moved. The TEP itself answers those who ask for it.

    \b
    opentep neighbours --tep rack1
    opentep neighbours --tep rack1 --follow
    opentep neighbours -t rack1 --json | jq '.[].state'
    """
    target = one_target(fabric, tep, link, baud)
    if target.tables is None or not routers(target.tables):
        raise click.UsageError("no port of this TEP has a 'router' in the document")
    names = Names(target.tables)
    with target.connect() as driver:
        held = driver.read(macs=False).tables
        tables = applied(held, target.tables)
        if not routers(tables):
            raise CommandError("the TEP sends to nobody as the document says; remedy: `opentep apply`")
        with NeighbourService(driver.registers, tables, known_next_hops(held, tables)) as service:
            if follow:
                _follow(service, names, as_json)
            service.settle()
            service.write()
    items = [_item(neighbour, names) for neighbour in service.neighbours]
    if as_json:
        print_json(items)
    else:
        print_table(("port", "router", "MAC", "state"), [_row(item) for item in items])
    if not all(item["answers"] for item in items):
        ctx.exit(EXIT_FAILED)


def _follow(service: NeighbourService, names: Names, as_json: bool) -> None:
    """Forever: what changes, line by line."""
    shown: dict[str, dict[str, Any]] = {}
    for _ in service.steps():
        service.write()
        for neighbour in service.neighbours:
            item = _item(neighbour, names)
            key = f"{item['port']} {item['address']}"
            if shown.get(key) != item:
                shown[key] = item
                line = json.dumps(item) if as_json else "  ".join(map(str, _row(item)))
                click.echo(line if as_json else f"{time.strftime('%H:%M:%S')}  {line}")
