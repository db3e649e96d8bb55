"""`opentep schema`."""

import click
from opentep.host.fabric import load_schema

from .output import print_json

__all__ = ["command"]


@click.command()
def command() -> None:
    """Print the JSON Schema of the fabric document.

    Editors check and complete with it.

    \b
    opentep schema > fabric.schema.json
    """
    print_json(load_schema())
