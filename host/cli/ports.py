"""Ports as users name them."""

import click
from opentep.host.diff import Names
from opentep.host.tables import TepTables

__all__ = ["port_number"]


def port_number(name: str, tables: TepTables) -> int:
    """The port of ``tables`` with this name, or this number; else ``UsageError``."""
    names = Names(tables)
    shown = [names.port(index) for index in range(len(tables.ports))]
    known = {str(index): index for index in range(len(shown))} | {each: k for k, each in enumerate(shown)}
    if name not in known:
        raise click.UsageError(f"there is no port '{name}'; ports are: {', '.join(shown)}")
    return known[name]
