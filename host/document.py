"""A fabric with its allocations and the tables that follow from it: what commands work with.

It comes from a document, as far as there is one; what was allocated for it, and what it was before, from a store.
"""

import getpass
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from opentep.host.compile import compile_tep
from opentep.host.controller import Change, Repository
from opentep.host.controller.working_copy import WorkingCopy
from opentep.host.fabric.errors import FabricError, Problem
from opentep.host.fabric.model import Fabric, Tep
from opentep.host.fabric.source import Source, read_file
from opentep.host.fabric.state import State, former_state
from opentep.host.memory import without_collection
from opentep.host.store import SqliteStore, file_of, open_store
from opentep.host.tables import TepTables

__all__ = ["Document", "default_store", "open_document", "open_fabric", "open_repository"]


Accept = Callable[["Document"], None]
"""Raises an exception if a document will not do."""


@dataclass(frozen=True)
class Document:
    """A checked, complete fabric, and the tables of each of its opentep TEPs."""

    fabric: Fabric
    source: Source
    tables: dict[str, TepTables]
    changes: tuple[Change, ...] = ()
    """What is different from what was stored."""
    revision: int = 0
    """Of the store; 0: nothing was stored yet."""

    def tep(self, name: str) -> Tep:
        """An opentep TEP by name; raises ``KeyError`` with the names there are."""
        if name not in self.tables:
            raise KeyError(
                f"no opentep TEP '{name}' in {self.source.file}; there are: {', '.join(self.tables)}"
            )
        return self.fabric.teps[name]


def default_store(document: Path) -> Path:
    """The store of the documents in a folder."""
    return document.with_name("fabric.db")


def _author() -> str:
    """``OPENTEP_AUTHOR``, or the user of this machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return os.environ.get("OPENTEP_AUTHOR") or f"{user}@{socket.gethostname()}"


@contextmanager
def open_repository(location: str, *, create: bool = True) -> Iterator[Repository]:
    """The fabric in the store at ``location``. Where there is no file yet, and none is to be made, an empty one."""
    file = file_of(location)
    missing = file is not None and not file.exists()
    with closing(SqliteStore(None) if missing and not create else open_store(location)) as store:
        yield Repository(store, _author())


class _Tables(dict[str, TepTables]):
    """Of all opentep TEPs, once they are compiled and ``accept`` has nothing against them."""

    def __init__(self, accept: Accept):
        super().__init__()
        self._accept = accept

    def compile(self, fabric: Fabric, state: State, source: Source) -> None:
        problems: list[Problem] = []
        for name, tep in fabric.teps.items():
            if tep.foreign:
                continue
            try:
                self[name] = compile_tep(fabric, name, state, source)
            except FabricError as error:
                problems.extend(error.problems)
        if problems:
            raise FabricError(problems)
        self._accept(Document(fabric, source, self))


def _anything(_: "Document") -> None:
    pass


@without_collection()
def open_document(
    path: Path,
    *,
    store: str | None = None,
    or_stored: bool = False,
    save: bool = False,
    heed_others: bool = False,
    action: str = "apply",
    accept: Accept = _anything,
) -> Document:
    """Load, check, allocate and compile.

    With ``save`` the store then holds what the document says; without, allocations are the ones that the next call
    would make, too. ``store``: where it is, instead of beside the document. With ``or_stored``, what that holds is
    meant where there is no document. With ``heed_others`` their changes are not overruled: see
    :meth:`Repository.replace`. ``accept`` is asked before anything is stored. Raises :class:`FabricError` and
    :class:`~opentep.host.controller.ConflictError`.
    """
    location = store or str(default_store(path))
    tables = _Tables(accept)
    if or_stored and not path.exists():
        with open_repository(location, create=False) as repository:
            if repository.revision:
                fabric, source = repository.compile(tables.compile, dry_run=not save)
                return Document(fabric, source, tables, revision=repository.revision)
    source = read_file(path)
    with open_repository(location, create=save) as repository:
        copy = WorkingCopy(path)
        revision, changes, fabric = repository.replace(
            action,
            source,
            base=copy.base(repository.identity) if heed_others else None,
            allocations=former_state(path),
            compiling=tables.compile,
            dry_run=not save,
        )
        if save:
            copy.goes_by(repository.identity, revision)
        return Document(fabric, source, tables, tuple(changes), repository.revision)


def open_fabric(path: Path) -> Fabric:
    """Only the complete fabric of a document."""
    return open_document(path).fabric
