"""`opentep events`."""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from opentep.host.diff import Names
from opentep.host.events import ALL_CHANGES, LearningEvent, event_item
from opentep.host.punt import Punts, Selection

from .options import fabric_option, json_option, link_options, tep_option
from .stream import Output, count_option, duration_option, known_tables, watch
from .target import one_target

__all__ = ["command"]

_CHANGES = {change.label: change for change in ALL_CHANGES}


def _events(punts: Punts, count: int | None) -> Iterator[list[LearningEvent]]:
    """What has come, look by look; ends after ``count``."""
    left = count
    while left != 0:
        events = [item for item in punts.fetch_all() if isinstance(item, LearningEvent)][:left]
        if left is not None:
            left -= len(events)
        yield events


def _line(item: dict[str, Any]) -> str:
    at = datetime.fromisoformat(item["time"]).astimezone()
    time = f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"
    return "  ".join((time, f"{item['event']:7}", item["mac"], item["tenant"], item["place"]))


@click.command()
@fabric_option
@tep_option
@link_options
@click.option(
    "-k",
    "--kind",
    "kinds",
    type=click.Choice(list(_CHANGES)),
    multiple=True,
    default=tuple(_CHANGES),
    metavar="KIND",
    help=f"Only this kind. May be repeated. One of {', '.join(_CHANGES)}.",
)
@count_option("events")
@duration_option
@json_option
def command(
    fabric: Path,
    tep: str | None,
    link: str | None,
    baud: int | None,
    kinds: tuple[str, ...],
    count: int | None,
    duration: float | None,
    as_json: bool,
) -> None:
    """Tell of learned addresses as a TEP learns them, sees them move, and forgets them by age.

    One line for each, or one JSON object per line. An address moves when it is seen at another port or VLAN, or behind
    another TEP. Addresses of the document are static: they are never learned, and do not move. Ctrl-C ends it, as does
    the program that reads it.

    \b
    opentep events --tep rack1
    opentep events -t rack1 --kind moved --duration 60
    opentep events -t rack1 --json | jq -r 'select(.tenant == "red") | .mac'
    """
    target = one_target(fabric, tep, link, baud)
    with target.connect() as driver:
        names = Names(known_tables(target, driver))
        punts = Punts(driver.registers)
        before = punts.events_lost()
        total = 0
        with watch(Output(sys.stdout), duration) as watching:
            try:
                punts.select(Selection(changes=[_CHANGES[kind] for kind in kinds]))
                for events in _events(punts, count):
                    for event in events:
                        item = event_item(event, names)
                        print(json.dumps(item) if as_json else _line(item), flush=True)
                    total += len(events)
                    if not watching.goes_on(found=bool(events)):
                        break
            finally:
                punts.select(Selection())
        lost = punts.events_lost() - before
    click.echo(f"{total} events, {lost} lost on the way to the host", err=True)
