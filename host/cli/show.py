"""`opentep show`."""

import json
import time
from contextlib import nullcontext
from pathlib import Path

import click
from rich.live import Live

from .options import fabric_option, json_option, link_options, tep_option
from .output import make_table, print_json, print_table, stdout_console
from .target import one_target
from .views import VIEWS, View

__all__ = ["command"]

_SUBJECTS = """
\b
tenants   tenants present, their OUIs and policies
macs      MAC table: static and learned entries
addresses IP addresses of VMs that requests are answered for
teps      remote TEPs, addresses, next hops
lists     replica lists of tenants and groups
counters  frames, octets, drops by reason; traffic of TEPs and tenants (only what is not 0)
ports     roles, links, MACs, MTUs, native VLANs
id        build parameters and state of the device
"""


def _rates(view: View, before: View | None, seconds: float) -> View:
    """Counters per second since ``before``."""
    old = {tuple(row[:-1]): row[-1] for row in before.rows} if before else {}
    rows = []
    for row in view.rows:
        delta = int(row[-1]) - int(old.get(tuple(row[:-1]), 0))
        rows.append((*row, f"{delta / seconds:.1f}" if before else ""))
    return View((*view.columns, "per second"), rows, view.json)


@click.command(
    help=f"""Show what a TEP holds now, read back from it.

{_SUBJECTS}
Names come from the document; without one, give --link alone.

\b
opentep show macs --tep rack1
opentep show counters --tep rack1 --watch 1
opentep show id --link /dev/ttyUSB0
opentep show counters -t rack1 --json | jq .ports
"""
)
@click.argument("subject", type=click.Choice(list(VIEWS)))
@fabric_option
@tep_option
@link_options
@json_option
@click.option(
    "--watch",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Repeat until Ctrl-C (one JSON per line).",
)
def command(
    subject: str,
    fabric: Path,
    tep: str | None,
    link: str | None,
    baud: int | None,
    as_json: bool,
    watch: float | None,
) -> None:
    target = one_target(fabric, tep, link, baud, nameless=subject == "id")
    with target.connect() as driver:

        def view() -> View:
            return VIEWS[subject](driver, target.tables)

        if watch is None:
            now = view()
            if as_json:
                print_json(now.json)
            else:
                print_table(now.columns, now.rows)
            return
        console = stdout_console()
        before: View | None = None
        at = time.monotonic()
        # The screen is redrawn on a terminal; elsewhere everything is printed one after the other.
        redraw = console.is_terminal and not as_json
        with Live(console=console, auto_refresh=False) if redraw else nullcontext() as live:
            while True:
                now = view()
                shown = _rates(now, before, time.monotonic() - at) if subject == "counters" else now
                before, at = now, time.monotonic()
                if as_json:
                    click.echo(json.dumps(now.json))
                elif live is not None:
                    live.update(make_table(shown.columns, shown.rows), refresh=True)
                else:
                    print_table(shown.columns, shown.rows, title=time.strftime("%H:%M:%S"))
                time.sleep(watch)
