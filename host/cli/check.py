"""`opentep check`."""

from pathlib import Path

import click
from opentep.host.fabric import FabricError
from opentep.host.usage import usage

from .errors import EXIT_WRONG
from .options import json_option
from .output import print_json, print_table
from .store import fabric_of

__all__ = ["command"]


@click.command(
    short_help="Check a fabric document.",
    epilog="Exit codes: 0 the document is right, 2 it is not (every problem is listed with line and remedy).",
)
@click.argument(
    "fabric",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("fabric.yaml"),
    envvar="OPENTEP_FABRIC",
)
@json_option
def command(fabric: Path, as_json: bool) -> None:
    """Check the document FABRIC (fabric.yaml if not given) and show how full the tables of each TEP get.

    Touches nothing: no TEP, no vSwitch, no stored allocation.

    \b
    opentep check
    opentep check docs/examples/two-racks.yaml
    """
    try:
        document = fabric_of(fabric)
    except FabricError as error:
        if not as_json:
            raise
        print_json({"ok": False, "problems": [problem.as_dict() for problem in error.problems]})
        click.get_current_context().exit(EXIT_WRONG)
    fill = {
        name: usage(tables, document.fabric.teps[name].params) for name, tables in document.tables.items()
    }
    if as_json:
        teps = {
            name: {use.table: {"used": use.used, "room": use.room} for use in uses}
            for name, uses in fill.items()
        }
        print_json({"ok": True, "problems": [], "teps": teps})
        return
    model = document.fabric
    click.echo(
        f"{document.source.file} is right (TEPs: {len(model.teps)}, tenants: {len(model.tenants)},"
        f" vSwitches: {len(model.vswitches)}, VMs: {len(model.vms)}, groups: {len(model.groups)})"
    )
    rows = [(name, use.table, use.used, use.room) for name, uses in fill.items() for use in uses]
    print_table(("TEP", "table", "used", "room"), rows)
