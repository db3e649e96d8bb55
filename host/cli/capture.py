"""`opentep capture`."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import click
from opentep.gateware.hostport.format import Reason
from opentep.host.capture import DROPS, Describer, capture
from opentep.host.pcapng import PcapngWriter
from opentep.host.punt import Punts, Selection
from opentep.host.tables import TepTables

from .options import fabric_option, link_options, tep_option
from .output import stderr_console
from .ports import port_number
from .stream import Output, count_option, duration_option, known_tables, watch
from .target import Target, one_target

__all__ = ["command"]

_GROUPS = {"drops": DROPS, "all": DROPS | {Reason.FORWARDED, Reason.DISCOVERY}}
_REASONS = {reason.label: frozenset({reason}) for reason in sorted(_GROUPS["all"], key=lambda r: r.value)}


@contextmanager
def _sink(file: str) -> Iterator[BinaryIO]:
    """What to write to, which errors name, those of closing it as well."""
    name = "standard output" if file == "-" else file
    try:
        if file == "-":
            yield sys.stdout.buffer
        else:
            with Path(file).open("wb") as opened:
                yield opened
    except OSError as error:
        error.filename = error.filename or name
        raise


def _interfaces(target: Target, tables: TepTables, describer: Describer) -> list[tuple[str, str]]:
    return [
        (describer.port(index), f"{port.role} port of {target.name}")
        for index, port in enumerate(tables.ports)
    ]


@click.command()
@fabric_option
@tep_option
@link_options
@click.option(
    "-w",
    "--write",
    "file",
    type=click.Path(dir_okay=False, allow_dash=True),
    default="-",
    help="Where the capture goes; '-', the default, is standard output.",
)
@click.option(
    "-r",
    "--reason",
    "reasons",
    type=click.Choice([*_GROUPS, *_REASONS]),
    multiple=True,
    default=("drops",),
    show_default=True,
    metavar="REASON",
    help=f"What became of the frames. May be repeated. One of {', '.join([*_GROUPS, *_REASONS])}.",
)
@click.option(
    "-p", "--port", "ports", metavar="PORT", multiple=True, help="They came in on PORT. May be repeated."
)
@click.option(
    "-n",
    "--sample",
    "interval",
    type=click.IntRange(1, 65535),
    default=1,
    help="Only one of so many of them.",
)
@click.option(
    "-s",
    "--snap",
    type=click.IntRange(0, 16383),
    default=128,
    show_default=True,
    help="Octets of each frame at most.",
)
@count_option("frames")
@duration_option
def command(
    fabric: Path,
    tep: str | None,
    link: str | None,
    baud: int | None,
    file: str,
    reasons: tuple[str, ...],
    ports: tuple[str, ...],
    interval: int,
    snap: int,
    count: int | None,
    duration: float | None,
) -> None:
    """Capture frames that a TEP dropped, or forwarded, as pcapng; each has the verdict on it as its comment.

    The TEP hands frames to the host link as fast as that takes them and loses the rest, never a frame that it
    forwards. Ctrl-C ends the capture, as does the program that reads it.

    \b
    opentep capture -t rack1 | wireshark -k -i -
    opentep capture -t rack1 -r policy -r spoofed -p server -w drops.pcapng
    opentep capture -t rack1 -r forwarded --sample 1000 --duration 60 -w mirror.pcapng
    opentep capture -l /dev/ttyUSB0 --count 10 | tshark -r - -T fields -e frame.comment
    """
    if file == "-" and sys.stdout.isatty():
        raise click.UsageError("a capture is no text: pipe it into `wireshark -k -i -`, or give --write FILE")
    target = one_target(fabric, tep, link, baud)
    with ExitStack() as stack:
        driver = stack.enter_context(target.connect())
        tables = known_tables(target, driver)
        describer = Describer(tables)
        selection = Selection(
            sampled=frozenset().union(*((_GROUPS | _REASONS)[name] for name in reasons)),
            ports=frozenset(port_number(name, tables) for name in ports) or None,
            interval=interval,
            snap=snap,
        )
        punts = Punts(driver.registers)
        before = punts.counts()
        sink = stack.enter_context(_sink(file))
        status = stack.enter_context(stderr_console().status("capturing"))
        frames = 0
        with watch(Output(sink), duration) as watching:
            try:
                interfaces = _interfaces(target, tables, describer)
                writer = PcapngWriter(sink, "opentep capture", interfaces, snap)
                punts.select(selection)
                for total in capture(punts, writer, describer.describe, count):
                    found, frames = total > frames, total
                    status.update(f"{frames} frames captured")
                    if not watching.goes_on(found=found):
                        break
            finally:
                punts.select(Selection())
        lost = punts.counts()["lost"] - before["lost"]
    click.echo(f"{frames} frames captured, {lost} lost on the way to the host", err=True)
