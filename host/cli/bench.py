"""`opentep bench`."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from opentep.gateware.params import Params
from opentep.host.bench import measure_link
from opentep.host.fill import fill_tenant_tables
from opentep.host.link.transport import SerialTransport

from .bench_fabric import agents, controller
from .errors import EXIT_FAILED, CommandError, MissingExtraError
from .options import fabric_option, json_option, link_options, params_option, tep_option
from .output import print_json, print_table, progress_bar
from .target import one_target

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

    The gateware is Verilated; time is simulated, so that figures do not depend on this machine. No hardware takes part.
    Without a name, both RFCs are run.

    \b
    opentep bench                               everything, one to two minutes
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
        click.option(
            "--plots",
            type=click.Path(file_okay=False, path_type=Path),
            help="Folder for plots (SVG); needs matplotlib.",
        ),
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
    if options.plots is not None and importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("--plots", ModuleNotFoundError(name="matplotlib"), "bench")
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
    try:
        from opentep.sim.bench.run import run_suite
        from opentep.sim.toolchain import ToolError
    except ModuleNotFoundError as error:
        raise MissingExtraError("opentep bench", error, "sim") from None

    params = options.build(_MESH_PORTS if suite == "rfc2889" else 1)
    rate = options.rate or params.width * params.clock_hz // params.ports
    if rate > params.width * params.clock_hz:
        raise click.UsageError(
            f"--rate {rate} is more than the datapath of {params.width} bits carries:"
            f" {params.width * params.clock_hz} bit/s; remedy: a greater --width, or --rate max"
        )
    try:
        with progress_bar(suite) as progress:
            return run_suite(
                suite,
                params,
                rate,
                options.settings(),
                progress,
                note=lambda message: click.echo(message, err=True),
            )
    except ToolError as error:
        raise CommandError(str(error)) from None


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


@command.command()
@fabric_option
@tep_option
@link_options
@click.option("--simulated", is_flag=True, help="The Verilated link's UART at 3 Mbaud; needs no TEP.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    default=2.0,
    show_default=True,
    help="How long, per direction.",
)
@json_option
def link(
    fabric: Path,
    tep: str | None,
    link: str | None,
    baud: int | None,
    simulated: bool,
    seconds: float,
    as_json: bool,
) -> None:
    """How fast the host link carries table words.

    Writes to and reads from a scratch register, so that a running TEP is not disturbed. With a baud rate,
    from --baud or the document, it also says which share of the line's octets was used, and which of them
    carried words.

    \b
    opentep bench link --link /dev/ttyUSB0 --baud 3000000
    opentep bench link --tep rack1 --json
    opentep bench link --simulated
    """
    if simulated:
        _simulated_link(as_json)
        return
    target = one_target(fabric, tep, link, baud)
    rate = target.baud
    transport = SerialTransport(target.device) if rate is None else SerialTransport(target.device, rate)
    try:
        results = measure_link(transport, seconds)
    finally:
        transport.close()
    if as_json:
        print_json([result.as_dict(rate) for result in results])
        return
    rows = [
        (
            result.what,
            f"{result.words_per_second:,.0f}",
            f"{result.line_use(rate):.1%}" if rate else "",
            f"{result.payload_share(rate):.1%}" if rate else "",
            result.resent,
        )
        for result in results
    ]
    print_table(("direction", "words per second", "line in use", "words on the line", "resent"), rows)


def _simulated_link(as_json: bool) -> None:
    try:
        from opentep.sim.link_line import BAUD, measure
        from opentep.sim.toolchain import ToolError
    except ModuleNotFoundError as error:
        raise MissingExtraError("opentep bench link --simulated", error, "sim") from None
    try:
        shares = {"write": measure(), "read": measure(read=True)}
    except ToolError as error:
        raise CommandError(str(error)) from None
    if as_json:
        print_json([{"what": what, "baud": BAUD, "payload_share": share} for what, share in shares.items()])
        return
    print_table(
        ("direction", "words on the line"), [(what, f"{share:.1%}") for what, share in shares.items()]
    )


@command.command()
@params_option
@click.option("--baud", type=click.IntRange(9600), default=3_000_000, show_default=True)
@click.option(
    "--fill",
    type=click.IntRange(1, 90),
    default=90,
    show_default=True,
    metavar="PERCENT",
    help="Of the tables, from the beginning. Beyond 90 the MAC table may refuse an entry.",
)
@json_option
def load(params: Params, baud: int, fill: int, as_json: bool) -> None:
    """How long a TEP takes to get its tables over a serial line.

    All of them, then single VMs, as an agent writes them to a Verilated TEP; then all is read back. The line's time is
    simulated; the host's is this machine's. Takes some minutes.

    \b
    opentep bench load
    opentep bench load --fill 20
    opentep bench load --param tenants=64 --param macs=512 --baud 115200 --json
    """
    try:
        from opentep.sim.table_load import measure_table_load
        from opentep.sim.toolchain import ToolError
    except ModuleNotFoundError as error:
        raise MissingExtraError("opentep bench load", error, "sim") from None
    try:
        loads = list(
            measure_table_load(params, baud, fill / 100, lambda what: click.echo(f"{what} …", err=True))
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--param") from None
    except ToolError as error:
        raise CommandError(str(error)) from None
    if as_json:
        print_json([load.as_dict() for load in loads])
        return
    rows = [
        (
            load.what,
            load.changes,
            load.sent,
            load.received,
            f"{load.line_seconds * 1e3:,.1f}",
            f"{load.line_use:.0%}",
            f"{load.host_seconds * 1e3:,.1f}",
        )
        for load in loads
    ]
    columns = ("what", "changes", "octets to it", "from it", "line ms", "line in use", "host ms")
    print_table(columns, rows, title=f"{baud:,} baud")


@command.command()
@params_option
@click.option(
    "--tables", type=click.IntRange(1, 1000), default=10, show_default=True, help="To fill, of each shape."
)
@json_option
def tables(params: Params, tables: int, as_json: bool) -> None:
    """How far tenant tables fill, and what an insertion costs.

    Tables of every shape that a core may be built with, for as many tenants as --param tenants says, are filled with
    OUIs until one is refused. Needs no TEP: the host places the entries. Times are this machine's.

    \b
    opentep bench tables
    opentep bench tables --param tenants=4096 --tables 50 --json
    """
    with progress_bar("tables") as progress:
        results = list(fill_tenant_tables(params, tables, progress))
    if as_json:
        print_json([result.as_dict() for result in results])
        return
    rows = [
        (
            f"{result.choices} x {result.slots}",
            result.depth,
            f"{result.promised / result.depth:.1%}",
            f"{result.least / result.depth:.2%}",
            f"{result.median / result.depth:.2%}",
            f"{result.microseconds:.0f}",
            f"{result.longest_microseconds:.0f}",
            f"{result.moves:.2f}",
            result.most_moves,
        )
        for result in results
    ]
    columns = (
        "choices x slots",
        "slots",
        "promised",
        "least fill",
        "median",
        "us",
        "longest",
        "moves",
        "most",
    )
    print_table(columns, rows)


command.add_command(controller)
command.add_command(agents)
