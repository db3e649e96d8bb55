"""`opentep inject`."""

import time
from collections.abc import Sequence
from pathlib import Path

import click
from opentep.host.diff import Names
from opentep.host.driver import Driver
from opentep.host.inject import InjectError, inject, room_for_frame

from .errors import CommandError
from .frames import GivenFrame, read_captures, read_hexadecimal
from .options import fabric_option, json_option, link_options, tep_option
from .output import Advance, print_json, progress_bar
from .ports import port_number
from .stream import known_tables
from .target import one_target

__all__ = ["command"]


def _check(frames: Sequence[GivenFrame], files: tuple[str, ...], room: int) -> None:
    """Before the first one is sent: half of a capture is worse than none."""
    if not frames:
        raise CommandError(f"there is no frame in {', '.join(files)}")
    for frame in frames:
        if not 1 <= len(frame.octets) <= room:
            raise CommandError(
                f"{frame.place} has {len(frame.octets)} octets, but the TEP takes 1 to {room} of a frame"
                " to inject; a core with more 'mailbox_bytes' takes more"
            )


def _send(
    driver: Driver, port: int, frames: Sequence[GivenFrame], repeat: int, interval: float, progress: Advance
) -> None:
    total = repeat * len(frames)
    due = time.monotonic()
    for number in range(total):
        frame = frames[number % len(frames)]
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due, time.monotonic()) + interval
        try:
            inject(driver.registers, port, frame.octets)
        except InjectError as error:
            raise CommandError(f"{frame.place}: {error}; sent before it: {number} of {total}") from None
        progress(number + 1, total)


@click.command(epilog="Exit codes: 0 all frames were sent, 1 it did not work, 2 wrong usage or document.")
@click.argument("port")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
)
@fabric_option
@tep_option
@link_options
@click.option(
    "-x",
    "--hex",
    "is_text",
    is_flag=True,
    help="FILEs are text: one frame per line, in hexadecimal; '-' is standard input.",
)
@click.option(
    "-n",
    "--repeat",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Send all of them so many times.",
)
@click.option(
    "-i",
    "--interval",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=0.0,
    help="From the beginning of one frame to that of the next, at least. Without: as fast as the host link can.",
)
@json_option
def command(
    port: str,
    files: tuple[str, ...],
    fabric: Path,
    tep: str | None,
    link: str | None,
    baud: int | None,
    is_text: bool,
    repeat: int,
    interval: float,
    as_json: bool,
) -> None:
    """Send the frames of captures (pcap or pcapng) out of PORT of a TEP.

    They leave as they are, between those that the TEP forwards: nobody checks, tags or tunnels them. PORT is a name of
    the document, or a number as `opentep show ports` counts. Frames are without FCS, as captures have them; their time
    stamps do not count.

    \b
    opentep inject -t rack1 server arp.pcap
    opentep inject -t rack1 uplink probe.pcapng --repeat 100 --interval 0.1
    echo 'ffffffffffff 120001000001 0806 ...' | opentep inject -t rack1 server --hex -
    """
    if "-" in files and not is_text:
        raise click.UsageError("a capture is read from a file; '-' is for --hex")
    target = one_target(fabric, tep, link, baud)
    frames = list((read_hexadecimal if is_text else read_captures)(files))
    with target.connect() as driver:
        tables = known_tables(target, driver)
        number = port_number(port, tables)
        _check(frames, files, room_for_frame(driver.params))
        with progress_bar("frames sent") as progress:
            _send(driver, number, frames, repeat, interval, progress)
    sent = {
        "port": Names(tables).port(number),
        "frames": repeat * len(frames),
        "octets": repeat * sum(len(frame.octets) for frame in frames),
    }
    if as_json:
        print_json(sent)
    else:
        click.echo(f"{sent['frames']} frames with {sent['octets']} octets sent out of {sent['port']}")
