"""`opentep bench`."""

from pathlib import Path

import click
from opentep.host.bench import measure_link
from opentep.host.link.transport import SerialTransport

from .options import fabric_option, json_option, link_options, tep_option
from .output import print_json, print_table
from .target import one_target

__all__ = ["command"]


@click.command()
@fabric_option
@tep_option
@link_options
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    default=2.0,
    show_default=True,
    help="How long, per direction.",
)
@json_option
def command(
    fabric: Path, tep: str | None, link: str | None, baud: int | None, seconds: float, as_json: bool
) -> None:
    """Measure how fast the host link carries table words.

    Writes to and reads from a scratch register, so that a running TEP is not disturbed. With a baud rate,
    from --baud or the document, it also says which share of the line's octets was used, and which of them
    carried words.

    \b
    opentep bench --link /dev/ttyUSB0 --baud 3000000
    opentep bench --tep rack1 --json
    """
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
