"""`opentep vtep`."""

import re
from collections.abc import Callable

import click
from opentep.host.fabric.validate import suggest
from opentep.host.vtep import Adapter

from .errors import CommandError
from .service import begin_service
from .store import chosen_location, open_stored

__all__ = ["command"]


def _matching(pattern: str, example: str) -> Callable[[click.Context, click.Parameter, str], str]:
    """A callback that refuses all else."""

    def check(_: click.Context, __: click.Parameter, text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise click.BadParameter(f"'{text}' is not like {example}")
        return text

    return check


@click.command()
@click.option(
    "--database",
    metavar="unix:PATH|tcp:HOST:PORT",
    default="unix:/run/openvswitch/db.sock",
    show_default=True,
    callback=_matching("unix:.+|tcp:.+:[0-9]{1,5}", "unix:/run/openvswitch/db.sock or tcp:192.0.2.1:6640"),
    help="Where an ovsdb-server has the database hardware_vtep.",
)
@click.option(
    "-t",
    "--tep",
    "teps",
    metavar="NAME",
    multiple=True,
    help="Show only this TEP as a physical switch, not all of the fabric. May be repeated.",
)
@click.option(
    "--name",
    metavar="NAME",
    default="vtep",
    show_default=True,
    callback=_matching("[A-Za-z0-9][A-Za-z0-9_-]{0,15}", "vtep, with at most 16 characters"),
    help="What the names of tenants, VMs, vSwitches and foreign TEPs that it makes begin with, before a dot. Another"
    " one for each database.",
)
def command(database: str, teps: tuple[str, ...], name: str) -> None:
    """Let a controller that drives hardware VTEPs by OVSDB drive this fabric, until it is told to stop.

    TEPs become physical switches. A VLAN ID that is bound to a logical switch at one of their ports becomes a VM of a
    tenant, whose MAC address is then read from Ucast_Macs_Local. MAC addresses in Ucast_Macs_Remote become VMs behind
    foreign TEPs, reached by VXLAN over IPv6. The agents bring it to the TEPs. What cannot be done is logged, and told
    in the fault status of switch or port.

    \b
    ovsdb-tool create vtep.db /usr/share/openvswitch/vtep.ovsschema
    ovsdb-server vtep.db --remote=punix:vtep.sock --detach
    opentep vtep --database unix:vtep.sock
    vtep-ctl --db=unix:vtep.sock add-ls blue
    vtep-ctl --db=unix:vtep.sock bind-ls rack1 srv 5 blue
    vtep-ctl --db=unix:vtep.sock list-local-macs blue
    """
    with open_stored() as repository:
        known = {
            key.name for key, stored in repository.objects("teps").items() if not stored.spec.get("foreign")
        }
    if not known:
        raise CommandError(
            f"{chosen_location()} has no TEP; remedy: import a document, or name the right --store"
        )
    for tep in teps:
        if tep not in known:
            raise CommandError(f"there is no opentep TEP '{tep}' ({suggest(tep, list(known))})")
    Adapter(chosen_location(), database, teps, name).run(begin_service("opentep.host.vtep"))
