"""`opentep apply`."""

from pathlib import Path

import click
from opentep.host.document import Document
from opentep.host.driver import Retagger
from opentep.host.retagging import Retagged, Stage
from opentep.host.vswitch import VSwitchError, driver_for, wanted

from .changes import Outcome
from .errors import EXIT_FAILED, explain
from .options import fabric_option, force_option, json_option, link_options, parts_options, tep_option
from .output import print_json, progress_bar
from .plan import selected_vswitches, show_plan
from .store import fabric_of
from .target import Target, targets

__all__ = ["command"]


def _retagger(document: Document, tep: str, failures: dict[str, str]) -> Retagger:
    """Sets the vSwitches of a TEP while VMs of theirs get other VLAN IDs; puts what goes wrong into ``failures``."""

    def retag(stage: Stage) -> Retagged:
        stuck = set()
        let_go = False
        for name in selected_vswitches(document, tep):
            port = document.fabric.vswitches[name].port
            if stage.concerns(port) and _vswitch(name) not in failures:
                try:
                    let_go |= driver_for(wanted(document.fabric, name, stage)).apply().lets_go
                except VSwitchError as error:
                    failures[_vswitch(name)] = f"{error}; no VM of it gets a VLAN ID until the next `apply`"
                    stuck.add(port)
        return Retagged(stuck, let_go)

    return retag


def _vswitch(name: str) -> str:
    return f"vSwitch {name}"


@click.command(epilog="Exit codes: 0 done, 1 something did not work, 2 wrong usage or document.")
@fabric_option
@tep_option
@link_options
@parts_options
@force_option
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
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
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring TEPs and vSwitches to what the document says.

    The document is stored first, with the MACs and VLANs that it leaves out, unless others changed the same since it
    was exported or applied; without a document, what is stored counts. What is right already stays untouched, so
    applying twice changes nothing; frames meet the tables before or after each change. A TEP that cannot be reached
    does not keep the others from being changed.

    \b
    opentep apply
    opentep apply --fabric fabric.yaml --tep rack1 --link /dev/ttyUSB0
    opentep apply --no-teps
    """
    if dry_run:
        outcome = show_plan(fabric, tep, link, baud, teps, vswitches, force, as_json)
        ctx.exit(EXIT_FAILED if outcome.failures else 0)
    chosen: list[Target] = []

    def choose(document: Document) -> None:
        chosen[:] = targets(document, tep, link, baud, teps=teps)

    document = fabric_of(fabric, save=True, heed_others=not force, accept=choose)
    outcome = Outcome(document.changes)
    for target in chosen:
        try:
            with target.connect() as driver, progress_bar(f"TEP {target.name}") as progress:
                outcome.teps[target.name] = driver.apply(
                    document.tables[target.name],
                    progress,
                    _retagger(document, target.name, outcome.failures) if vswitches else None,
                )
                if driver.unanswered:
                    routers = "; ".join(driver.unanswered)
                    outcome.failures[f"next hops of TEP {target.name}"] = f"{routers}; then apply again"
        except Exception as error:
            outcome.failures[f"TEP {target.name}"] = explain(error).format_message()
    for name in selected_vswitches(document, tep) if vswitches else ():
        its_tep = document.fabric.vswitches[name].tep
        if _vswitch(name) in outcome.failures:
            continue
        if f"TEP {its_tep}" in outcome.failures:
            # It may be in the middle of something, and take other VLAN IDs than these.
            outcome.failures[_vswitch(name)] = f"not set, as TEP {its_tep} failed"
            continue
        try:
            outcome.vswitches[name] = driver_for(wanted(document.fabric, name)).apply()
        except Exception as error:
            outcome.failures[_vswitch(name)] = explain(error).format_message()
    if as_json:
        print_json(outcome.as_dict())
    else:
        outcome.show(done=True)
    for name, failure in outcome.failures.items():
        click.echo(f"opentep: {name}: {failure}", err=True)
    if outcome.failures:
        ctx.exit(EXIT_FAILED)
