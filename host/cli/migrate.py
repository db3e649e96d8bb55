"""`opentep vm migrate`."""

import time

import click
from opentep.host.agent import reports, what_is_missing, why_no_room
from opentep.host.controller import Migration, Repository
from opentep.host.controller.objects import Key
from opentep.host.controller.reader import Reader

from .edited import describe, tell
from .errors import CommandError
from .options import json_option
from .output import print_json, stderr_console
from .store import command_line, open_stored

__all__ = ["command"]

_LOOK_SECONDS = 0.1


def _await(repository: Repository, teps: list[str], seconds: float, vswitch: str | None = None) -> None:
    """Until the agents of all ``teps`` have done what the store says, and at ``vswitch``, if any is meant."""
    deadline = time.monotonic() + seconds
    while missing := [why for why in (what_is_missing(repository, tep, vswitch) for tep in teps) if why]:
        if time.monotonic() > deadline:
            raise CommandError(
                f"after {seconds:g} s {missing[0]}; the same command goes on when it is well"
                " (`opentep status` tells), --wait 0 does not wait for agents"
            )
        time.sleep(_LOOK_SECONDS)


def _concerned(repository: Repository, vm: str) -> list[str]:
    """TEPs with agents that VMs of the tenant are behind."""
    with repository.store.view() as view:
        reader = Reader(view)
        spec = reader.get(Key("vms", vm))
        vms = reader.referrers(Key("tenants", spec["tenant"]), "vms") if spec else []
        reader.fetch(vms)
        vswitches = {reader.get(key).get("vswitch") for key in vms} - {None}
        teps = {reader.get(Key("vswitches", name))["tep"] for name in vswitches}
    return sorted(teps & reports(repository).keys())


@click.command(epilog="Exit codes: 0 it is there, 1 it did not work, 2 wrong usage.")
@click.argument("name")
@click.option("--to", "vswitch", required=True, metavar="VSWITCH", help="The vSwitch that the VM goes to.")
@click.option("--prepare", is_flag=True, help="Only make room for it there.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long agents may take for each step. 0: without agents, `opentep apply` does each step.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@json_option
def command(name: str, vswitch: str, prepare: bool, wait: float, dry_run: bool, as_json: bool) -> None:
    """Move a VM to another vSwitch, with its MAC address and its VLAN ID.

    If a VM there has this VLAN ID it gets another one first, without losing a frame: its TEP takes and sends both
    until the vSwitch has changed the tag and the old one is drained. Then the tables of all TEPs follow the VM.
    Interrupted at any point, the same command goes on.

    With --prepare the VM stays where it is. Do that before the hypervisor starts to copy it, and the rest as soon as
    the VM has stopped here: until then its frames from the other place are dropped.

    \b
    opentep vm migrate web1 --to ovs2
    opentep vm migrate web1 --to ovs2 --prepare
    virsh migrate --live web1 qemu+ssh://host2/system; opentep vm migrate web1 --to ovs2
    """
    console = stderr_console()
    done = []
    with open_stored() as repository:
        migration = Migration(repository, name, vswitch)
        agents = reports(repository)
        if wait and not dry_run and not migration.is_done and migration.tep not in agents:
            raise CommandError(
                f"no agent has spoken of TEP '{migration.tep}'; remedy: run `opentep agent`, or do each step by hand:"
                " --prepare --wait 0, `opentep apply`, --wait 0, `opentep apply`"
            )
        refusal = why_no_room(repository, migration)
        if refusal:
            raise CommandError(refusal)
        steps = [migration.prepare] if prepare else [migration.prepare, migration.move]
        for step in () if migration.is_done else steps:
            revision, changes, fabric = step(command_line(), dry_run=dry_run)
            done += describe(changes, fabric)
            if not as_json:
                tell(changes, fabric)
            if dry_run and changes:
                break  # what comes next follows from what this would have done
            if wait and not dry_run:
                console.print(f"revision {revision}: waiting for the agents", style="dim")
                _await(repository, [migration.tep], wait, vswitch)
        if wait and not dry_run and not prepare:
            # Other vSwitches, and the one that it leaves, may be dead, which is a reason to leave it.
            _await(repository, _concerned(repository, name), wait)
        revision = repository.revision
    if as_json:
        print_json({"revision": revision, "stored": not dry_run, "changes": done})
    elif dry_run:
        click.echo("nothing was stored (--dry-run)")
    elif prepare:
        click.echo(f"vSwitch {vswitch} has room for VM {name}")
    else:
        click.echo(f"VM {name} is at vSwitch {vswitch}")
