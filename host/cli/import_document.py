"""`opentep import`."""

from pathlib import Path

import click

from .changes import show_fabric_changes
from .options import force_option, json_option
from .output import print_json
from .store import fabric_of

__all__ = ["command"]


@click.command("import", epilog="Exit codes: 0 done, 1 others changed the same, 2 wrong usage or document.")
@click.argument(
    "document", type=click.Path(dir_okay=False, exists=True, path_type=Path), default="fabric.yaml"
)
@force_option
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@json_option
def command(document: Path, force: bool, dry_run: bool, as_json: bool) -> None:
    """Store what DOCUMENT says, without touching TEPs and vSwitches.

    `opentep apply` does the same first. If others changed the same objects since the DOCUMENT was exported or applied,
    nothing is stored.

    \b
    opentep import
    opentep import fabric.yaml --dry-run
    """
    found = fabric_of(document, save=not dry_run, heed_others=not force)
    if as_json:
        changes = [change.as_dict() for change in found.changes]
        print_json({"revision": found.revision, "stored": not dry_run, "changes": changes})
    else:
        show_fabric_changes(found.changes, done=not dry_run)
