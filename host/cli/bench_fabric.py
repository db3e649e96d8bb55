"""`opentep bench controller` and `opentep bench agents`."""

import tempfile
from contextlib import closing
from pathlib import Path

import click
from opentep.host.controller.bench import measure_controller
from opentep.host.store import open_store

from .errors import CommandError
from .options import json_option, plots_option
from .output import print_json, print_table

__all__ = ["agents", "controller"]


def _tell(what: str) -> None:
    click.echo(f"{what} …", err=True)


@click.command()
@click.option("--teps", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--tenants", type=click.IntRange(20), default=10_000, show_default=True)
@click.option("--vms", type=click.IntRange(20), default=100_000, show_default=True)
@json_option
def controller(teps: int, tenants: int, vms: int, as_json: bool) -> None:
    """How long the controller takes for a large fabric.

    A document of that size is planned from empty, stored in an empty store (a temporary file, or that of --store, which
    must not be in use), and changed object by object. Needs no TEP. Times are this machine's.

    \b
    opentep bench controller
    opentep bench controller --teps 100 --tenants 1000 --vms 10000 --json
    opentep --store etcd://127.0.0.1:2379/bench bench controller --teps 10 --tenants 100 --vms 1000
    """
    with tempfile.TemporaryDirectory(prefix="opentep-bench-") as folder:
        chosen = click.get_current_context().find_root().params["store"]
        with closing(open_store(chosen or str(Path(folder) / "fabric.db"))) as store:
            with store.view() as view:
                if view.revision:
                    raise CommandError(f"{store.location} is in use; remedy: name an empty one")
            results = list(measure_controller(store, teps, tenants, vms, _tell))
    if as_json:
        print_json([result.as_dict() for result in results])
        return
    rows = [(r.what, f"{r.seconds:.3f}", f"{r.worst:.3f}", r.mebibytes) for r in results]
    title = f"{teps:,} TEPs, {tenants:,} tenants, {vms:,} VMs"
    print_table(("what", "seconds (median)", "worst", "MiB"), rows, title=title)


@click.command()
@click.option(
    "--teps",
    "sizes",
    type=click.IntRange(2, 5000),
    multiple=True,
    default=(10, 100, 1000),
    show_default=True,
    help="Size of the fabric, with 20 VMs for each TEP. May be repeated.",
)
@click.option(
    "--look-on",
    type=click.FloatRange(1, 600),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to measure what agents cost while nothing changes. They tell their counters every 30 seconds.",
)
@plots_option
@json_option
def agents(sizes: tuple[int, ...], look_on: float, plots: Path | None, as_json: bool) -> None:
    """How fast the agents of a whole fabric follow a change, and what that costs their store.

    An etcd is started for it, on this machine, and an agent for each of its TEPs, which are register spaces in memory;
    all of them share this machine's cores, where real ones have a machine each; so they tell their counters every 30
    seconds instead of five, and do not read back what their TEPs hold. Then 1 % of all VMs go to another rack in one
    transaction. TEPs with VMs of their tenants get other tables; it is over when the last one has them. Times of the
    change count from the beginning of the transaction.

    \b
    opentep bench agents
    opentep bench agents --teps 10 --teps 50 --plots plots --json
    """
    from opentep.sim.fleet import EtcdError, FleetError, measure_fleet

    fleets = []
    for size in sizes:
        try:
            fleets.append(measure_fleet(size, idle_seconds=look_on, tell=_tell))
        except (EtcdError, FleetError) as error:
            raise CommandError(str(error)) from None
    if plots is not None:
        from opentep.sim.fleet.plot import plot_fleets

        click.echo(f"plot: {plot_fleets(fleets, plots)}", err=True)
    if as_json:
        print_json([fleet.as_dict() for fleet in fleets])
        return
    rows = [
        (
            fleet.teps,
            fleet.vms,
            f"{fleet.start_seconds:.1f}",
            fleet.changed,
            fleet.concerned,
            f"{fleet.store_seconds:.2f}",
            f"{fleet.median_seconds:.1f}",
            f"{fleet.last_seconds:.1f}",
            fleet.change_requests,
            f"{fleet.change_cpu:.1f}",
            f"{fleet.idle_requests:.0f}",
            f"{fleet.idle_cpu:.0%}",
            fleet.etcd_mebibytes,
        )
        for fleet in fleets
    ]
    columns = ("TEPs", "VMs", "start s", "moved", "TEPs of them", "stored s", "half s", "all s")
    etcd = ("requests of it", "etcd CPU s", "requests/s before", "etcd CPU before", "etcd MiB")
    print_table((*columns, *etcd), rows)
