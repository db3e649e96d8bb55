"""`opentep plan`."""

from pathlib import Path

import click
from opentep.host.document import Document
from opentep.host.vswitch import driver_for, wanted

from .changes import Outcome
from .errors import EXIT_CHANGES, EXIT_FAILED, explain
from .options import fabric_option, force_option, json_option, link_options, parts_options, tep_option
from .output import print_json
from .store import fabric_of
from .target import targets

__all__ = ["command", "selected_vswitches", "show_plan"]


def selected_vswitches(document: Document, tep: str | None) -> list[str]:
    """vSwitches of the TEP, or all."""
    return [name for name, item in document.fabric.vswitches.items() if tep in (None, item.tep)]


def show_plan(
    fabric: Path,
    tep: str | None,
    link: str | None,
    baud: int | None,
    teps: bool,
    vswitches: bool,
    force: bool,
    as_json: bool,
) -> Outcome:
    """Compare, print, and say what was found; changes nothing."""
    document = fabric_of(fabric, heed_others=not force)
    outcome = Outcome(document.changes)
    for target in targets(document, tep, link, baud, teps=teps):
        try:
            with target.connect() as driver:
                outcome.teps[target.name] = driver.plan(document.tables[target.name])
        except Exception as error:
            outcome.failures[f"TEP {target.name}"] = explain(error).format_message()
    for name in selected_vswitches(document, tep) if vswitches else ():
        try:
            outcome.vswitches[name] = driver_for(wanted(document.fabric, name)).plan()
        except Exception as error:
            outcome.failures[f"vSwitch {name}"] = explain(error).format_message()
    if as_json:
        print_json(outcome.as_dict())
    else:
        outcome.show(done=False)
    for name, failure in outcome.failures.items():
        click.echo(f"opentep: {name}: {failure}", err=True)
    return outcome


@click.command(
    epilog="Exit codes: 0 nothing to change, 1 something could not be compared, 2 wrong usage or document,"
    " 3 there are changes.",
)
@fabric_option
@tep_option
@link_options
@parts_options
@force_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    fabric: Path,
    tep: str | None,
    link: str | None,
    baud: int | None,
    teps: bool,
    vswitches: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Compare store, TEPs and vSwitches with the document and show what `apply` would change.

    Without a document, TEPs and vSwitches with the store. Reads tables back from every TEP that has a link in the
    document. Changes nothing and stores nothing.

    \b
    opentep plan
    opentep plan --fabric fabric.yaml --tep rack1 --no-vswitches
    opentep plan --json | jq .changed
    """
    outcome = show_plan(fabric, tep, link, baud, teps, vswitches, force, as_json)
    if outcome.failures:
        ctx.exit(EXIT_FAILED)
    if outcome.changed:
        ctx.exit(EXIT_CHANGES)
