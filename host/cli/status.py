"""`opentep status`."""

from datetime import UTC, datetime

import click
from opentep.host.agent import reports

from .errors import EXIT_FAILED
from .options import json_option
from .output import Cell, print_json, print_table
from .store import open_stored

__all__ = ["command"]


def _age(time: str) -> str:
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


@click.command(epilog="Exit codes: 0 all is well, 1 an agent has a problem or was never there.")
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show what the agents of the TEPs said last.

    A TEP whose REVISION is older than the store's holds the same as it would with the newest one, if nothing that
    concerns it has changed since, or is about to be changed.

    \b
    opentep status
    opentep status --json | jq '.teps[] | select(.error != "")'
    """
    with open_stored() as repository:
        said = reports(repository)
        revision = repository.revision
        names = [key.name for key, stored in repository.objects("teps").items() if "link" in stored.spec]
    missing = "no agent has spoken of it"
    items = [said[name].as_dict() if name in said else {"tep": name, "error": missing} for name in names]
    if as_json:
        print_json({"revision": revision, "teps": items})
    else:
        rows: list[list[Cell]] = [
            [
                item["tep"],
                item.get("revision", ""),
                _age(item["time"]) if "time" in item else "",
                item["error"] or "well",
            ]
            for item in items
        ]
        print_table(["TEP", "revision", "since", "state"], rows, title=f"store: revision {revision}")
    if any(item["error"] for item in items):
        ctx.exit(EXIT_FAILED)
