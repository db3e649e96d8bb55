"""`opentep token`."""

import click
from opentep.host.api.tokens import ROLES, Tokens

from .errors import CommandError
from .options import json_option
from .output import print_json, print_table
from .store import open_stored

__all__ = ["command"]


@click.group()
def command() -> None:
    """Who may use the REST interface of `opentep serve`.

    \b
    opentep token add grafana
    opentep token add pipeline --role admin
    opentep token list
    opentep token revoke grafana
    """


@command.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="read", show_default=True, help="What it may do.")
def add(name: str, role: str) -> None:
    """Make a token and print it; it cannot be shown again."""
    with open_stored(create=True) as repository:
        try:
            click.echo(Tokens(repository.store).add(name, role))
        except ValueError as error:
            raise CommandError(str(error)) from None


@command.command("list")
@json_option
def list_tokens(as_json: bool) -> None:
    """List tokens, without their secrets."""
    with open_stored() as repository:
        tokens = Tokens(repository.store).all()
    if as_json:
        print_json({name: token.role for name, token in tokens.items()})
    else:
        print_table(["token", "role"], [[name, token.role] for name, token in tokens.items()])


@command.command()
@click.argument("name")
def revoke(name: str) -> None:
    """From now on the token is worth nothing."""
    with open_stored() as repository:
        try:
            Tokens(repository.store).revoke(name)
        except KeyError:
            raise CommandError(f"there is no token '{name}'") from None
