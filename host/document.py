"""A document together with its allocations and the tables that follow from it: what commands work with."""

from dataclasses import dataclass
from pathlib import Path

from opentep.host.compile import compile_tep
from opentep.host.fabric.allocate import allocate
from opentep.host.fabric.errors import FabricError, Problem
from opentep.host.fabric.load import load
from opentep.host.fabric.model import Fabric, Tep
from opentep.host.fabric.source import Source
from opentep.host.fabric.state import FileStore, State, Store, state_path
from opentep.host.memory import without_collection
from opentep.host.tables import TepTables

__all__ = ["Document", "open_document", "open_fabric"]


@dataclass(frozen=True)
class Document:
    """A checked, complete fabric, and the tables of each of its opentep TEPs."""

    fabric: Fabric
    source: Source
    tables: dict[str, TepTables]

    def tep(self, name: str) -> Tep:
        """An opentep TEP by name; raises ``KeyError`` with the names there are."""
        if name not in self.tables:
            raise KeyError(
                f"no opentep TEP '{name}' in {self.source.file}; there are: {', '.join(self.tables)}"
            )
        return self.fabric.teps[name]


@without_collection()
def open_document(path: Path, *, store: Store | None = None, save: bool = False) -> Document:
    """Load, check, allocate and compile.

    With ``save`` new allocations are stored; without, they are the ones that the next call would make, too.
    ``store`` is the state file beside the document unless given. Raises :class:`FabricError`.
    """
    fabric, source = load(path)
    if store is None:
        store = FileStore(state_path(path))
    problems: list[Problem] = []
    tables: dict[str, TepTables] = {}

    def compile_all(state: State) -> Fabric:
        complete = allocate(fabric, state, source)
        for name, tep in complete.teps.items():
            if tep.foreign:
                continue
            try:
                tables[name] = compile_tep(complete, name, state, source)
            except FabricError as error:
                problems.extend(error.problems)
        if problems:
            raise FabricError(problems)
        return complete

    if save:
        with store.transaction() as state:
            return Document(compile_all(state), source, tables)
    return Document(compile_all(store.load()), source, tables)


def open_fabric(path: Path, *, save: bool = False) -> Fabric:
    """Only the complete fabric of a document."""
    return open_document(path, save=save).fabric
