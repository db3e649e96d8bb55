"""`opentep mdio`."""

from pathlib import Path

import click
from opentep.host.phys import access_phy

from .options import fabric_option, json_option, link_options, tep_option
from .output import print_json
from .target import one_target

__all__ = ["command"]


class _Number(click.ParamType):
    """Decimal, or hexadecimal with 0x, from 0 to ``last``."""

    name = "number"

    def __init__(self, last: int):
        self.last = last

    def convert(self, value, param, ctx):  # type: ignore[no-untyped-def]
        try:
            number = int(value, 0)
        except ValueError:
            self.fail(f"'{value}' is not a number", param, ctx)
        if not 0 <= number <= self.last:
            self.fail(f"{value} is not in 0 to {self.last}", param, ctx)
        return number


@click.command()
@click.argument("port", type=_Number(15))
@click.argument("register", type=_Number(31))
@click.argument("value", type=_Number(0xFFFF), required=False)
@fabric_option
@tep_option
@link_options
@json_option
def command(
    port: int,
    register: int,
    value: int | None,
    fabric: Path,
    tep: str | None,
    link: str | None,
    baud: int | None,
    as_json: bool,
) -> None:
    """Read REGISTER of the PHY of PORT, or write VALUE to it.

    Ports count from 0 as `opentep show ports` shows them. Registers 0 to 15 are those of IEEE 802.3, clause 22; writing
    the wrong ones takes the link down until the board is configured anew.

    \b
    opentep mdio 0 1 --tep rack1            status of the first port's PHY
    opentep mdio 0 0 0x1340 --link /dev/ttyUSB0
    """
    with one_target(fabric, tep, link, baud, nameless=True).connect() as driver:
        result = access_phy(driver.registers, port, register, value)
    if as_json:
        print_json({"port": port, "register": register, "value": result})
    else:
        click.echo(f"{result:#06x}")
