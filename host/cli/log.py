"""`opentep log`."""

import click

from .errors import CommandError
from .options import json_option
from .output import Cell, print_json, print_table
from .store import open_stored

__all__ = ["command"]


@click.command()
@click.argument("revision", type=click.IntRange(1), required=False)
@click.option(
    "-n",
    "--number",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="How many, from the newest on.",
)
@json_option
def command(revision: int | None, number: int, as_json: bool) -> None:
    """Show who changed the stored fabric, when, and how; or what REVISION changed.

    \b
    opentep log
    opentep log 12
    opentep log -n 1000 --json | jq '.[] | select(.author == "alice@noc")'
    """
    with open_stored() as repository:
        if revision is None:
            entries = repository.history(number)
            if as_json:
                print_json([entry.as_dict() for entry in entries])
            else:
                rows: list[list[Cell]] = [
                    [e.revision, e.time[:19].replace("T", " "), e.author, e.changes, e.action]
                    for e in entries
                ]
                print_table(["revision", "time (UTC)", "author", "changes", "action"], rows)
            return
        changes = repository.changes_of(revision)
        if not changes:
            raise CommandError(f"there is no revision {revision}; the newest one is {repository.revision}")
    if as_json:
        print_json([change.as_dict() for change in changes])
        return
    for change in changes:
        for line in change.lines():
            click.echo(line)
