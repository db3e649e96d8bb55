"""Which store a command means: that of ``opentep --store``, or the file beside the document."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from opentep.host.controller import Repository
from opentep.host.document import Document, default_store, open_document, open_repository
from opentep.host.store import file_of

from .errors import CommandError
from .options import COMMAND_LINE

__all__ = ["chosen_location", "command_line", "existing_location", "fabric_of", "next_step", "open_stored"]

_DOCUMENT = Path("fabric.yaml")


def _chosen() -> str | None:
    return click.get_current_context().find_root().params.get("store")


def command_line() -> str:
    """What the user typed, for the log."""
    return str(click.get_current_context().meta.get(COMMAND_LINE, ""))


def fabric_of(document: Path, **options: Any) -> Document:
    """:func:`open_document` with the store that the user chose. Who names no document may mean what is stored."""
    named = click.get_current_context().get_parameter_source("fabric") is not ParameterSource.DEFAULT
    return open_document(document, store=_chosen(), or_stored=not named, action=command_line(), **options)


def chosen_location() -> str:
    """Where the store is, for commands that need no document."""
    return _chosen() or str(default_store(_DOCUMENT))


def next_step() -> str:
    """What brings a change of the store to TEPs, if no agents do."""
    export = f"`opentep export fabric -o {_DOCUMENT}` and then " if _DOCUMENT.exists() else ""
    return f"if no agents bring it to TEPs and vSwitches, {export}`opentep apply` does"


def existing_location() -> str:
    """The same; a store that the user chose must be there."""
    chosen = _chosen()
    file = file_of(chosen) if chosen else None
    if file is not None and not file.exists():
        raise CommandError(
            f"there is no store at {chosen}; remedy: `opentep --store {chosen} import` makes one"
        )
    return chosen_location()


@contextmanager
def open_stored(*, create: bool = False) -> Iterator[Repository]:
    """The fabric in the store, for commands that need no document."""
    location = chosen_location() if create else existing_location()
    with open_repository(location, create=create) as repository:
        yield repository
