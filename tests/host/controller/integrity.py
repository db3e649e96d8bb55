"""Whether a stored fabric holds together: nothing lost, nothing leaked."""

from opentep.host.controller import Repository
from opentep.host.controller.claims import CLAIMING, claims_of, complete
from opentep.host.controller.objects import KINDS, Key, references
from opentep.host.controller.reader import REFERRERS, Reader, to_path
from opentep.host.fabric.allocate import allocate
from opentep.host.fabric.load import loaded
from opentep.host.fabric.source import Source
from opentep.host.fabric.state import State

__all__ = ["check_integrity"]


def check_integrity(repository: Repository, *, log: bool = True) -> None:
    """Objects, what names them, allocations, claims and, which takes long when it is long, the log agree."""
    revision, document = repository.document()
    if not revision:
        return
    with repository.store.view() as view:
        objects = Reader(view).every()
        naming = {key.removeprefix(REFERRERS) for key, _ in view.scan(REFERRERS)}
    assert naming == {
        f"{to_path(named)}/{to_path(key)}"
        for key, item in objects.items()
        for named in references(key, item.spec)
    }
    state = repository.allocations()
    source = Source("store", document)
    settled = State(ouis=state.ouis, macs=state.macs, vlans=state.vlans, cursors=dict(state.cursors))
    allocate(loaded(source), settled, source)
    assert (settled.ouis, settled.macs, settled.vlans) == (state.ouis, state.macs, state.vlans)
    with repository.store.view() as view:
        claims = {key.removeprefix("claim/") for key, _ in view.scan("claim/")}
    having = {key: item.spec for key, item in objects.items() if key.kind in CLAIMING}
    specs = complete(having, state)
    assert claims == {f"{claim}/{key.name}" for key, spec in specs.items() for claim in claims_of(key, spec)}
    assert {key.kind for key in objects} <= set(KINDS)
    if log:
        _check_log(repository, revision, {key: item.spec for key, item in objects.items()})


def _check_log(repository: Repository, revision: int, specs: dict[Key, object]) -> None:
    """It tells how everything came to be."""
    assert [entry.revision for entry in repository.history()] == list(range(1, revision + 1))
    told: dict[Key, object] = {}
    for number in range(1, revision + 1):
        for change in repository.changes_of(number):
            assert told.get(change.key) == change.before
            told[change.key] = change.after
    assert {key: spec for key, spec in told.items() if spec is not None} == specs
