"""Errors as the user sees them: what is wrong and what to do; no stack trace for mistakes."""

import logging
from collections.abc import Sequence
from typing import IO, Any

import click

__all__ = ["EXIT_CHANGES", "EXIT_FAILED", "EXIT_WRONG", "CommandError", "MissingExtraError", "explain"]

EXIT_FAILED = 1
EXIT_WRONG = 2
EXIT_CHANGES = 3

_log = logging.getLogger(__name__)


class CommandError(click.ClickException):
    """It did not work."""

    exit_code = EXIT_FAILED

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"opentep: {self.format_message()}", err=True)


class DocumentError(CommandError):
    """The document is wrong."""

    exit_code = EXIT_WRONG

    def __init__(self, problems: Sequence[object]):
        count = len(problems)
        text = "\n".join(map(str, problems))
        super().__init__(f"{text}\n{count} problem{'s' if count > 1 else ''}")

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.format_message(), err=True)


class MissingExtraError(CommandError):
    """A part of the distribution, or a package that it needs, is not installed."""

    def __init__(self, what: str, error: ImportError, extra: str):
        message = f"{what} needs the Python package '{error.name}', which is not installed"
        if extra:
            message += f"; remedy: pip install 'opentep[{extra}]'"
        super().__init__(message)


def explain(error: Exception, *, verbose: bool = False) -> click.ClickException:
    """The error for the user that stands for any exception of a command."""
    if isinstance(error, click.ClickException):
        return error
    # Imported late, so that `opentep --help` and shell completion do without.
    from opentep.host.controller import ConflictError
    from opentep.host.driver import DriverError
    from opentep.host.fabric import FabricError, StateError
    from opentep.host.inject import InjectError
    from opentep.host.link.client import LinkError
    from opentep.host.link.transport import TransportError
    from opentep.host.phys import PhyError
    from opentep.host.registers import WrongDeviceError
    from opentep.host.store import StoreError
    from opentep.host.vswitch import VSwitchError
    from opentep.sim.lab.shell import LabError
    from opentep.sim.toolchain import ToolError

    if isinstance(error, FabricError):
        return DocumentError(error.problems)
    expected = (
        StateError,
        StoreError,
        ConflictError,
        LinkError,
        TransportError,
        WrongDeviceError,
        DriverError,
        InjectError,
        PhyError,
        VSwitchError,
        ToolError,
        LabError,
    )
    if isinstance(error, expected):
        return CommandError(str(error))
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return CommandError(f"{where}{error.strerror or error}")
    if verbose:
        _log.exception("internal error")
    return CommandError(
        f"internal error, please report it: {type(error).__name__}: {error} (`opentep -vv …` shows where)"
    )
