"""Which store a command means: that of ``opentep --store``, or the file beside the document."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from opentep.host.controller import Repository
from opentep.host.document import Document, default_store, open_document, open_repository

from .options import COMMAND_LINE

__all__ = ["chosen_location", "command_line", "fabric_of", "open_stored"]

_DOCUMENT = Path("fabric.yaml")


def _chosen() -> str | None:
    return click.get_current_context().find_root().params.get("store")


def command_line() -> str:
    """What the user typed, for the log."""
    return str(click.get_current_context().meta.get(COMMAND_LINE, ""))


def fabric_of(document: Path, **options: Any) -> Document:
    """:func:`open_document` with the store that the user chose."""
    return open_document(document, store=_chosen(), action=command_line(), **options)


def chosen_location() -> str:
    """Where the store is, for commands that need no document."""
    return _chosen() or str(default_store(_DOCUMENT))


@contextmanager
def open_stored(*, create: bool = False) -> Iterator[Repository]:
    """The fabric in the store, for commands that need no document."""
    with open_repository(chosen_location(), create=create) as repository:
        yield repository
