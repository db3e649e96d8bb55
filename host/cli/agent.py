"""`opentep agent`."""

import click
from opentep.host.agent import Metrics, Supervisor

from .address import in_url, listening, to_address
from .service import begin_service
from .store import existing_location

__all__ = ["command"]


@click.command()
@click.option(
    "-t",
    "--tep",
    "teps",
    metavar="NAME",
    multiple=True,
    help="Only this TEP, not all that have a link. May be repeated.",
)
@click.option(
    "--verify",
    type=click.FloatRange(1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to read everything back from a TEP, to find and mend what others wrote.",
)
@click.option(
    "--vswitches/--no-vswitches", default=True, show_default=True, help="vSwitches behind them, too."
)
@click.option(
    "--counters",
    type=click.FloatRange(0, 60),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to read counters and to put them into the store, for `opentep top`. 0: never.",
)
@click.option(
    "--learned",
    type=click.FloatRange(0, 3600),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to put whom TEPs learned into the store, where tenants learn, for `opentep vtep`. 0: never.",
)
@click.option(
    "--too-big/--no-too-big",
    default=True,
    show_default=True,
    help="Answer VMs whose packets are too big for the underlay (Path MTU Discovery).",
)
@click.option(
    "--metrics",
    metavar="[HOST:]PORT",
    callback=to_address,
    help="Serve state and counters for Prometheus at http://HOST:PORT/metrics; only to this machine without HOST.",
)
def command(
    teps: tuple[str, ...],
    verify: float,
    vswitches: bool,
    counters: float,
    learned: float,
    too_big: bool,
    metrics: tuple[str, int] | None,
) -> None:
    """Keep TEPs at what the store says, and the vSwitches behind them, until it is told to stop.

    Every change of the store is brought to the TEPs that it concerns, and then to their vSwitches. While the store, the
    host link or this agent is away, TEPs go on with what they hold; afterwards only what is different is written. Run
    one agent for each TEP, near it, as a service; it logs to standard error and ends on SIGTERM or Ctrl-C.

    \b
    opentep agent
    opentep --store etcd://10.0.0.1:2379 agent --tep rack1 --metrics 9469
    opentep status
    """
    stop = begin_service("opentep.host.agent")
    collected = None
    if metrics is not None:
        collected = Metrics()
        with listening(metrics):
            port = collected.serve(*metrics)
        click.echo(f"metrics: http://{in_url(metrics[0], port)}/metrics", err=True)
    options = {
        "verify_seconds": verify,
        "vswitches": vswitches,
        "count_seconds": counters,
        "learn_seconds": learned,
        "too_big": too_big,
        "metrics": collected,
    }
    Supervisor(existing_location(), teps, **options).run(stop)
