"""`opentep completion`."""

import click
from click.shell_completion import get_completion_class

from .main import main

__all__ = ["command"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a completion script for SHELL.

    \b
    opentep completion bash > ~/.local/share/bash-completion/completions/opentep
    opentep completion zsh > ~/.zfunc/_opentep
    opentep completion fish > ~/.config/fish/completions/opentep.fish
    """
    completion = get_completion_class(shell)
    assert completion is not None, "click knows these shells"
    click.echo(completion(main, {}, "opentep", "_OPENTEP_COMPLETE").source())
