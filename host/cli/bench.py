"""`opentep bench`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from opentep.gateware.params import Params

from .bench_fabric import agents, controller
from .bench_tep import link, load, tables
from .errors import EXIT_FAILED
from .options import json_option, params_option, plots_option
from .output import print_json, print_table, progress_bar

if TYPE_CHECKING:
    from opentep.sim.bench.result import Report
    from opentep.sim.bench.settings import Settings

__all__ = ["command"]

_SIZES = ("64", "128", "256", "512", "1024", "1280", "1518", "imix")
_QUICK_SIZES = ("64", "512", "1518")
_FLOWS = ("hairpin", "encapsulation", "decapsulation", "both")
_MESH_PORTS = 3
"""Access ports of the build for RFC 2889, unless they are given: congestion needs as many."""
_UNITS = {"k": 10**3, "M": 10**6, "G": 10**9}


class _Group(click.Group):
    """Without the name of a benchmark, all are meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["all", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Group)
def command() -> None:
    """Measure the gateware as RFC 2544 and RFC 2889 say, the host link, the tables, the controller, or its agents.

    For the RFCs, which are run without a name, the gateware is Verilated and time is simulated: no hardware takes part,
    and figures do not depend on this machine.

    \b
    opentep bench                               both RFCs, two to five minutes
    opentep bench --quick                       a first look
    opentep bench rfc2544 --size 64 --flow hairpin
    opentep bench rfc2889 --access-ports 4 --width 64
    opentep bench all --json --plots plots > bench.json
    opentep bench link --link /dev/ttyUSB0 --baud 3000000
    opentep bench load
    opentep bench tables
    opentep bench controller
    opentep bench agents
    """


def _to_rate(ctx: click.Context, parameter: click.Parameter, value: str) -> int | None:
    if value == "max":
        return None
    unit = _UNITS.get(value[-1:], 1)
    try:
        rate = int(float(value[:-1] if unit > 1 else value) * unit)
    except (ValueError, OverflowError):
        rate = 0
    if rate < 1:
        raise click.BadParameter(
            f"'{value}' is no rate; write bit/s such as 1G or 250M, or max", ctx, parameter
        )
    return rate


def _bench_options(function: Callable[..., None]) -> Callable[..., None]:
    """What the benchmarks of the RFCs have in common; in the order of --help from below."""
    for option in (
        plots_option,
        json_option,
        click.option("--quick", is_flag=True, help="Three sizes and short trials, for a first look."),
        click.option(
            "--frames",
            type=click.IntRange(8, 100_000),
            help="Frames per port in a trial, instead of --duration.",
        ),
        click.option(
            "--duration",
            type=click.FloatRange(0.01, 1000),
            help="Simulated milliseconds of a trial; up to ten times as much where queues have to fill.  "
            "[default: 0.5; 0.1 with --quick]",
        ),
        click.option(
            "--rate",
            metavar="BIT/S",
            default="1G",
            show_default=True,
            callback=_to_rate,
            help="Speed of every wire, such as 1G, or max: the datapath's speed, shared by the ports.",
        ),
        params_option,
        click.option("--access-ports", type=click.IntRange(1, 15), help="Access ports of the build."),
        click.option("--width", type=click.IntRange(32, 512), help="Datapath of the build in bits."),
        click.option(
            "--flow",
            "flows",
            type=click.Choice(_FLOWS),
            multiple=True,
            help="Traffic for RFC 2544; all by default. May be repeated.",
        ),
        click.option(
            "--size",
            "sizes",
            type=click.Choice(_SIZES, case_sensitive=False),
            multiple=True,
            help="Octets with FCS; all by default. May be repeated.",
        ),
    ):
        function = option(function)
    return function


@dataclass(frozen=True)
class _Options:
    """What the user wants of a benchmark."""

    sizes: tuple[str, ...]
    flows: tuple[str, ...]
    width: int | None
    access_ports: int | None
    params: Params
    rate: int | None
    duration: float | None
    frames: int | None
    quick: bool
    as_json: bool
    plots: Path | None

    def settings(self) -> "Settings":
        from opentep.sim.bench.result import IMIX
        from opentep.sim.bench.settings import Settings

        sizes = self.sizes or (_QUICK_SIZES if self.quick else _SIZES)
        duration = self.duration or (0.1 if self.quick else 0.5)
        return Settings(
            sizes=tuple(IMIX if size.upper() == IMIX else size for size in sizes),
            flows=self.flows or _FLOWS,
            duration_ns=duration * 1e6,
            frames=self.frames,
            quick=self.quick,
        )

    def build(self, default_access_ports: int) -> Params:
        """The gateware to measure; ``default_access_ports`` unless the user says how many."""
        given = self.access_ports
        if given is None:
            given = self.params.access_ports if self.params.access_ports > 1 else default_access_ports
        try:
            return replace(self.params, width=self.width or self.params.width, access_ports=given)
        except ValueError as error:
            raise click.UsageError(str(error)) from None


def _run(suites: tuple[str, ...], arguments: dict[str, Any]) -> None:
    options = _Options(**arguments)
    reports = [_measure(suite, options) for suite in suites]
    if options.plots is not None:
        from opentep.sim.bench.plot import plot_report

        for report in reports:
            for file in plot_report(report, options.plots):
                click.echo(f"plot: {file}", err=True)
    if options.as_json:
        print_json([report.as_dict() for report in reports])
    else:
        for report in reports:
            _print(report)
    missed = [result for report in reports for result in report.failed if result.at_full_rate]
    if missed:
        names = ", ".join(f"{result.test} {result.flow} {result.size}" for result in missed)
        click.echo(f"opentep: frames were lost at 100 % of the theoretical limit: {names}", err=True)
        click.get_current_context().exit(EXIT_FAILED)


def _measure(suite: str, options: _Options) -> "Report":
    from opentep.sim.bench.run import run_suite

    params = options.build(_MESH_PORTS if suite == "rfc2889" else 1)
    rate = options.rate or params.width * params.clock_hz // params.ports
    if rate > params.width * params.clock_hz:
        raise click.UsageError(
            f"--rate {rate} is more than the datapath of {params.width} bits carries:"
            f" {params.width * params.clock_hz} bit/s; remedy: a greater --width, or --rate max"
        )
    with progress_bar(suite) as progress:
        return run_suite(
            suite,
            params,
            rate,
            options.settings(),
            progress,
            note=lambda message: click.echo(message, err=True),
        )


def _print(report: "Report") -> None:
    from opentep.sim.bench.table import as_rows, heading, names_of

    params = report.params
    click.echo(
        f"{params['access_ports']} access + {params['fabric_ports']} fabric ports of {report.rate / 1e9:g} Gb/s, "
        f"datapath {params['width']} bits at {params['clock_hz'] / 1e6:g} MHz; "
        "Verilated gateware in simulated time, no hardware"
    )
    for test in names_of(report.results):
        results = list(report.named(test))
        click.echo()
        print_table(*as_rows(results), title=f"{heading(results[0])}: {results[0].method}")
    speed = report.speed
    click.echo(
        f"\nsimulation: {speed.frames:,} frames in {speed.host_seconds:.1f} s, {speed.frames_per_second:,.0f} frames "
        f"and {speed.clocks_per_second:,.0f} clocks per second of this machine\n"
    )


@command.command("all")
@_bench_options
def all_benchmarks(**arguments: Any) -> None:
    """RFC 2544 and RFC 2889, each with its own build of the gateware.

    Exits with 1 if frames are lost at 100 % of the theoretical limit.

    \b
    opentep bench all --quick
    opentep bench all --json --plots plots > bench.json
    """
    _run(("rfc2544", "rfc2889"), arguments)


@command.command()
@_bench_options
def rfc2544(**arguments: Any) -> None:
    """Throughput, latency, frame loss rate, back-to-back frames.

    Sizes are those of the frame on the wire for hairpin traffic, of the VM's own frame for tunnelled traffic, where a
    frame of 64 octets is one of 68 with its tag and one of 118 on the fabric. Exits with 1 if frames are lost at 100 %
    of the theoretical limit.

    \b
    opentep bench rfc2544
    opentep bench rfc2544 --size 64 --size imix --flow both --rate max
    """
    _run(("rfc2544",), arguments)


@command.command()
@_bench_options
def rfc2889(**arguments: Any) -> None:
    """Several ports, congestion, broadcast, errored frames, address learning.

    The build has three access ports unless others are asked for. Exits with 1 if frames are lost at 100 % of the
    theoretical limit.

    \b
    opentep bench rfc2889
    opentep bench rfc2889 --access-ports 7 --width 64 --param packet_bytes=65536
    """
    _run(("rfc2889",), arguments)


for benchmark in (link, load, tables, controller, agents):
    command.add_command(benchmark)
