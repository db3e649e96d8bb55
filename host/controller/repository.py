"""The desired fabric in a store."""

import copy
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from opentep.host.compile import compile_tep
from opentep.host.fabric.allocate import allocate
from opentep.host.fabric.errors import FabricError, KeyPath, Problem
from opentep.host.fabric.load import loaded
from opentep.host.fabric.model import Fabric, Tep
from opentep.host.fabric.source import Source
from opentep.host.fabric.state import State
from opentep.host.fabric.validate import schema_problems, suggest
from opentep.host.store import Overlay, Store, Transaction, View
from opentep.host.tables import TepTables

from .changes import Change, differences
from .claims import CLAIMING, StoredClaims, complete, store_claims, upgrade_claims
from .conflict import ConflictError
from .history import Entry, changes_of, concerns, entries, keep, timestamp
from .kept import allocated, load_indices, load_state, store_indices, store_state
from .objects import KINDS, TENANT_KEY, Key, as_document, misnamed, objects_of, references
from .reader import OBJECTS, REFERRERS, Reader, Stored, to_path
from .slices import neighbourhood, part_of_tep

__all__ = ["Repository", "Share", "Stored", "write_object"]

_IDENTITY = "identity"
_GONE = "gone/"
"""Revisions that removed objects."""

Compile = Callable[[Fabric, State, Source], None]
"""A last look at the complete fabric; gives table indices, and raises if something does not fit."""


def _removed(view: View, key: Key) -> int:
    """The revision that removed an object, 0 if none did."""
    return int(view.get(_GONE + to_path(key)) or 0)


def write_object(transaction: Transaction, change: Change, revision: int) -> None:
    """Store an object, and what it names."""
    path = to_path(change.key)
    old = set() if change.before is None else set(references(change.key, change.before))
    new = set() if change.after is None else set(references(change.key, change.after))
    for key in old - new:
        transaction.delete(f"{REFERRERS}{to_path(key)}/{path}")
    for key in new - old:
        transaction.put(f"{REFERRERS}{to_path(key)}/{path}", "")
    if change.after is None:
        transaction.delete(OBJECTS + path)
        transaction.put(_GONE + path, str(revision))
    else:
        transaction.put(OBJECTS + path, Stored(change.after, revision).text)
        if change.before is None:
            transaction.delete(_GONE + path)


def _place_of(name: str, spec: Any) -> KeyPath:
    """Where an object names another one."""
    for field, value in spec.items():
        if value == name or (isinstance(value, list | dict) and name in value):
            return (field,)
    return ()


@contextmanager
def _begin(store: Store, dry_run: bool) -> Iterator[Transaction]:
    """A transaction, or what looks like one."""
    if dry_run:
        with store.view() as view:
            overlay = Overlay(view)
            upgrade_claims(overlay, lambda kind: _specs(overlay, kind))
            yield overlay
    else:
        with store.transaction() as transaction:
            upgrade_claims(transaction, lambda kind: _specs(transaction, kind))
            yield transaction


def _specs(view: View, kind: str) -> dict[Key, Any]:
    return {key: stored.spec for key, stored in Reader(view).every(kind).items()}


@dataclass(frozen=True)
class Share:
    """What of a fabric is a TEP's."""

    revision: int
    name: str
    fabric: Fabric
    """As far as it concerns the TEP, with all VMs of its vSwitches."""
    tables: TepTables
    part: frozenset[Key]
    """Objects that it follows from, whether they are there or not yet."""

    @property
    def tep(self) -> Tep:
        return self.fabric.teps[self.name]


class Repository:
    """Reads and changes the desired fabric. Every change is checked, allocated for and told of in one transaction.

    ``author``: who is said to have changed what.
    """

    def __init__(self, store: Store, author: str = ""):
        self.store = store
        self.author = author

    @property
    def revision(self) -> int:
        """Of the newest state; 0: nothing was stored yet."""
        with self.store.view() as view:
            return view.revision

    @property
    def identity(self) -> str:
        """Of this store, unlike any other; empty before anything is stored."""
        with self.store.view() as view:
            return view.get(_IDENTITY) or ""

    def objects(self, kind: str | None = None, prefix: str = "") -> dict[Key, Stored]:
        """All objects, or those of a kind, whose names begin with ``prefix``."""
        with self.store.view() as view:
            return Reader(view).every(kind, prefix)

    def get(self, key: Key) -> Stored | None:
        with self.store.view() as view:
            return Reader(view).stored(key)

    def document(self, *, complete: bool = False) -> tuple[int, dict[str, Any]]:
        """The revision, and the whole fabric as a document; if ``complete``, with what was allocated."""
        with self.store.view() as view:
            specs = {key: stored.spec for key, stored in Reader(view).every().items()}
            if complete:
                for key, given in allocated(load_state(view)).items():
                    specs[key] = {**specs[key], **given}
            return view.revision, as_document(specs)

    def allocations(self, objects: Iterable[Key] | None = None) -> State:
        """What was allocated for ``objects``, or for all."""
        with self.store.view() as view:
            state = load_state(view, objects)
            return replace(state, cursors=dict(state.cursors))

    def compile(self, compiling: Compile, *, dry_run: bool = False) -> tuple[Fabric, Source]:
        """The whole fabric as it is stored, and the document that it would be. ``compiling`` may give table indices."""
        with self._numbering(None, dry_run) as indices, _begin(self.store, dry_run) as transaction:
            source = self._source({key: stored.spec for key, stored in Reader(transaction).every().items()})
            return self._settle(transaction, source, None, (), compiling, State(indices=indices)), source

    def tables(self, tep: str) -> Share:
        """What the TEP is and should hold. Reads no more than that takes.

        Raises :class:`~opentep.host.fabric.errors.FabricError`.
        """
        with self._numbering(tep, False) as indices, self.store.view() as view:
            reader = Reader(view)
            part = part_of_tep(tep, reader)
            source = self._source({key: reader.get(key) for key in sorted(part)})
            if Key("teps", tep) not in part:
                message = f"there is no TEP '{tep}'"
                raise FabricError([source.problem(("teps",), message, f"`opentep tep add {tep} …`")])
            state = replace(load_state(view, part), indices=indices)
            fabric = allocate(loaded(source), state, source)
            tables = compile_tep(fabric, tep, state, source)
            return Share(view.revision, tep, fabric, tables, frozenset(part | {TENANT_KEY}))

    def concerns(self, share: Share, revision: int) -> bool:
        """Whether changes since ``share`` up to ``revision`` may have changed it. If not, it stays so."""
        with self.store.view() as view:
            return concerns(view, share.part, range(share.revision + 1, revision + 1))

    def is_current(self, tep: str, revision: int) -> bool:
        """Whether a TEP that holds what it should by ``revision`` holds what it should by now."""
        with self.store.view() as view:
            part = part_of_tep(tep, Reader(view)) | {TENANT_KEY}
            return not concerns(view, part, range(revision + 1, view.revision + 1))

    @contextmanager
    def _numbering(self, tep: str | None, dry_run: bool) -> Iterator[dict[str, dict[str, int]]]:
        """Table indices of a TEP or of all, to be changed: kept when the block ends."""
        before = load_indices(self.store, tep)
        after = copy.deepcopy(before)
        yield after
        if not dry_run:
            store_indices(self.store, before, after)

    def history(self, newest: int | None = None) -> list[Entry]:
        """Transactions, the oldest first; at most the ``newest`` ones."""
        with self.store.view() as view:
            first = 0 if newest is None else max(view.revision - newest, 0)
            return entries(view, range(first + 1, view.revision + 1))

    def changes_of(self, revision: int) -> list[Change]:
        """What the transaction ``revision`` changed."""
        with self.store.view() as view:
            found = changes_of(view, revision)
        return sorted(found, key=lambda change: (KINDS.index(change.key.kind), change.key.name))

    def edit(
        self,
        action: str,
        edits: Callable[[Callable[[Key], Any]], Mapping[Key, Any]],
        *,
        renewing: Callable[[Reader], Collection[str]] = lambda _: (),
        dry_run: bool = False,
    ) -> tuple[int, list[Change], Fabric | None]:
        """Change single objects.

        ``edits`` gets a function that reads objects and returns those that it wants otherwise, ``None`` for those that
        are to go; ``renewing`` the VMs that are to get another VLAN ID than was allocated. Returns the new revision,
        what changed, and the complete fabric around it, ``None`` if there is nothing left. Raises
        :class:`~opentep.host.fabric.errors.FabricError` if the fabric would not be right.
        """
        with _begin(self.store, dry_run) as transaction:
            reader = Reader(transaction)
            wanted = edits(reader.get)
            reader.fetch(wanted)
            changes = [
                Change(key, reader.get(key), after)
                for key, after in wanted.items()
                if reader.get(key) != after
            ]
            renewed = renewing(reader)
            for key in (Key("vms", name) for name in renewed):
                changes.append(Change(key, reader.get(key), reader.get(key)))
            self._check_form(changes)
            for change in changes:
                write_object(transaction, change, transaction.revision + 1)
            reader = Reader(transaction)
            self._check_names(changes, reader)
            around = neighbourhood([(change.key, change.before, change.after) for change in changes], reader)
            keys = reader.every() if around is None else sorted(around)
            specs = {key: reader.get(key) for key in keys}
            gone = [change.key for change in changes if change.after is None]
            fabric = (
                self._settle(
                    transaction,
                    specs,
                    None if around is None else [*specs, *gone],
                    changes,
                    renewed=frozenset(renewed),
                )
                if changes
                else None
            )
            return self._log(transaction, action, changes), changes, fabric

    def replace(
        self,
        action: str,
        source: Source,
        *,
        base: int | None = None,
        allocations: State | None = None,
        compiling: Compile | None = None,
        dry_run: bool = False,
    ) -> tuple[int, list[Change], Fabric]:
        """Make the fabric what the document ``source`` says, which was derived from revision ``base``.

        Raises :class:`ConflictError` if others changed an object since that this would change again; ``None`` overrules
        them. ``allocations``: what a store that has none yet begins with. ``compiling`` comes last.
        """
        parsed = loaded(source)  # first: there are no objects in a document of a wrong form
        with self._numbering(None, dry_run) as indices, _begin(self.store, dry_run) as transaction:
            stored = Reader(transaction).every()
            changes = differences({key: old.spec for key, old in stored.items()}, objects_of(source.data))
            if base is not None:
                self._refuse_conflicts(transaction, stored, changes, base)
            for change in changes:
                write_object(transaction, change, transaction.revision + 1)
            begin = State(indices=indices)
            if allocations is not None and not transaction.revision:
                begin = replace(allocations, indices=indices)
                indices.update(allocations.indices)
            fabric = self._settle(transaction, source, None, changes, compiling, begin, parsed=parsed)
            return self._log(transaction, action, changes), changes, fabric

    def _refuse_conflicts(
        self, view: View, stored: Mapping[Key, Stored], changes: Iterable[Change], base: int
    ) -> None:
        conflicts = []
        for change in changes:
            revision = stored[change.key].revision if change.key in stored else _removed(view, change.key)
            if revision > base:
                by = "; ".join(
                    f"{entry.author}, {entry.time}: {entry.action}" for entry in entries(view, [revision])
                )
                conflicts.append((change.key, by))
        if conflicts:
            raise ConflictError(conflicts, base)

    def _check_form(self, changes: Iterable[Change]) -> None:
        """Whether the objects by themselves satisfy the schema, so that what they name can be followed."""
        problems = [
            problem for change in changes if change.after is not None for problem in self._misformed(change)
        ]
        if problems:
            raise FabricError(problems)

    def _misformed(self, change: Change) -> list[Problem]:
        source = self._source({change.key: change.after})
        # Without the rest of the fabric, what a fabric must have is missing.
        problems = [problem for problem in schema_problems(source) if problem.path != "teps"]
        message = None if problems else misnamed(change.key, change.after)
        if message is not None:
            remedy = (
                "name a rule FROM/TO, as it is" if change.key.kind == "rules" else "choose one that there is"
            )
            keys = (change.key.kind, change.key.name)
            problems.append(Problem(0, 0, str(change.key), message, remedy, source.file, keys))
        return problems

    def _check_names(self, changes: Iterable[Change], reader: Reader) -> None:
        """Whether what the objects name is there; of all that is there, something may be meant."""
        source = self._source({})
        problems = []
        for change in changes:
            for named in references(change.key, change.after) if change.after is not None else ():
                if named.kind == "settings" or reader.get(named) is not None:
                    continue
                path = (change.key.kind, change.key.name, *_place_of(named.name, change.after))
                remedy = suggest(named.name, [key.name for key in reader.every(named.kind)])
                problems.append(source.problem(path, f"there is no {named.title}", remedy))
        if problems:
            raise FabricError(problems)

    def _source(self, specs: Mapping[Key, Any]) -> Source:
        return Source(self.store.location, as_document(dict(specs)))

    def _settle(
        self,
        transaction: Transaction,
        what: Source | Mapping[Key, Any],
        keys: Iterable[Key] | None,
        changes: Sequence[Change] = (),
        compiling: Compile | None = None,
        begin: State | None = None,
        renewed: frozenset[str] = frozenset(),
        parsed: Fabric | None = None,
    ) -> Fabric:
        """Check, and allocate what is left out. ``keys``: of whom allocations are concerned, ``None``: of all.
        ``begin``: table indices, and allocations if the store has none. ``renewed``: see :class:`State`. ``parsed``:
        what was checked already."""
        source = what if isinstance(what, Source) else self._source(what)
        before, after = load_state(transaction, keys), load_state(transaction, keys)
        now = {Key(kind, name): spec for kind in CLAIMING for name, spec in source.data.get(kind, {}).items()}
        if begin is not None:
            after = replace(
                begin if begin.macs or begin.ouis or begin.vlans else after, indices=begin.indices
            )
        after.renewed = renewed
        if parsed is None:
            parsed = loaded(source)
        former = {**now, **{c.key: c.before for c in changes if c.key.kind in CLAIMING}}
        added = {c.key for c in changes if c.before is None}
        former = {key: spec for key, spec in former.items() if key not in added}
        if keys is not None:
            after.claims = StoredClaims(transaction, former.keys() | now.keys())
        fabric = allocate(parsed, after, source)
        if compiling is not None:
            compiling(fabric, after, source)
        store_state(transaction, before, after)
        store_claims(transaction, complete(former, before), complete(now, after))
        return fabric

    def _log(self, transaction: Transaction, action: str, changes: list[Change]) -> int:
        """Tell of the changes; the revision that they make."""
        if not changes:
            return transaction.revision
        revision = transaction.revision + 1
        entry = Entry(revision, timestamp(), self.author, action, len(changes))
        if transaction.get(_IDENTITY) is None:
            transaction.put(_IDENTITY, str(uuid.uuid4()))
        keep(transaction, entry, changes)
        return revision
