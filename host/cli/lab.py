"""`opentep lab`."""

import os
import time
from pathlib import Path

import click
from opentep.sim.lab.demo import run_demo
from opentep.sim.lab.shell import LabError, check_machine
from opentep.sim.lab.state import Lab
from opentep.sim.lab.topology import build

from .errors import EXIT_FAILED, CommandError
from .options import json_option
from .output import print_json, print_table, stderr_console, stdout_console

__all__ = ["command"]


def _lab(ctx: click.Context, parameter: click.Parameter, name: str) -> Lab:
    try:
        return Lab(name)
    except LabError as error:
        raise click.BadParameter(str(error), ctx, parameter) from None


_name_option = click.option(
    "--name", "lab", default="lab", show_default=True, callback=_lab, help="Several labs can be up at once."
)


def _require(lab: Lab) -> None:
    if not lab.exists:
        raise CommandError(f"lab '{lab.name}' is not up; remedy: opentep lab up --name {lab.name}")


@click.group()
def command() -> None:
    """Two racks of VMs, Open vSwitch and TEPs on this machine, in network namespaces.

    Needs root. Two virtual boards (the Verilated gateware) are the top-of-rack TEPs, network namespaces the VMs, the
    Linux kernel the router, a third site with SRv6 and a fourth one with VXLAN.

    \b
    opentep lab up
    opentep lab exec red1 ping -c 3 10.0.0.3
    opentep show counters --fabric /run/opentep/lab/fabric.yaml --tep rack1
    opentep lab down
    """


@command.command()
@_name_option
def up(lab: Lab) -> None:
    """Bring a lab up and leave it running."""
    began = time.monotonic()
    check_machine()
    lab.create()
    try:
        build(lab, lambda message: click.echo(f"{time.monotonic() - began:6.1f} s  {message}", err=True))
    except BaseException:
        lab.destroy()
        raise
    click.echo(f"Lab '{lab.name}' is up: {', '.join(lab.hosts())}.")
    click.echo(f"Its document is {lab.document}, captures grow in {lab.captures}.")
    click.echo(
        f"Try: opentep lab exec {'' if lab.name == 'lab' else f'--name {lab.name} '}red1 ping 10.0.0.3"
    )


@command.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_name_option
@click.argument("host")
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
def exec(lab: Lab, host: str, arguments: tuple[str, ...]) -> None:
    """Run a command on a host of the lab.

    \b
    opentep lab exec red1 ping 10.0.0.3
    opentep lab exec router ip -6 route
    """
    _require(lab)
    if host not in lab.hosts():
        raise CommandError(f"lab '{lab.name}' has no host '{host}'; there are: {', '.join(lab.hosts())}")
    command = lab.host(host).wrap(arguments)
    os.execvp(command[0], command)


@command.command()
@_name_option
@json_option
def status(lab: Lab, as_json: bool) -> None:
    """Show hosts and processes of a lab."""
    _require(lab)
    processes = lab.processes()
    if as_json:
        state = {process.name: {"pid": process.pid, "alive": process.alive} for process in processes}
        print_json({"hosts": lab.hosts(), "processes": state, "document": str(lab.document)})
        return
    print_table(
        ("process", "pid", "state"),
        [(process.name, process.pid, "running" if process.alive else "ended") for process in processes],
    )
    click.echo("hosts: " + ", ".join(lab.hosts()))


@command.command()
@_name_option
def down(lab: Lab) -> None:
    """Take a lab down: processes, namespaces, folder. Safe to call at any time."""
    lab.destroy()


@command.command()
@_name_option
@click.option(
    "--captures",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/demo"),
    show_default=True,
    help="Where captures of all ports and the counters are left.",
)
@json_option
@click.pass_context
def demo(ctx: click.Context, lab: Lab, captures: Path, as_json: bool) -> None:
    """Bring a lab up, show what it does as a table of passed and failed checks, take it down.

    Exits with 1 if a check failed. The lab is gone afterwards, also after Ctrl-C or kill. With --json the progress
    and the tables go to standard error.
    """
    outcomes = run_demo(lab, stderr_console() if as_json else stdout_console(), captures=captures)
    if as_json:
        print_json([{"check": o.title, "passed": o.passed, "seen": o.detail} for o in outcomes])
    if not all(outcome.passed for outcome in outcomes):
        ctx.exit(EXIT_FAILED)
