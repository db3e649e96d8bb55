"""Pools given out to the last one, and how long the last ones take."""

import time
from contextlib import closing

import pytest
from opentep.host.controller import Change, Repository
from opentep.host.controller.claims import complete, store_claims
from opentep.host.controller.kept import load_state, store_state
from opentep.host.controller.objects import Key
from opentep.host.controller.repository import write_object
from opentep.host.fabric import FabricError
from opentep.host.fabric.addresses import aai_ouis
from opentep.host.fabric.source import read_source
from opentep.host.store import SqliteStore

from .test_repository import BASE

ALL = sum(1 for _ in aai_ouis())
"""OUIs of the quadrant that tenants get theirs from: 2^20 without those that mean something else."""


def fill(repository: Repository, names: list[str]) -> None:
    """Tenants with the first OUIs that are free, as if they had been added one by one, in one transaction."""
    with repository.store.transaction() as transaction:
        before, after = load_state(transaction), load_state(transaction)
        used = {*after.ouis.values(), 0x120001}
        free = (oui for oui in aai_ouis() if oui not in used)
        for name in names:
            after.ouis[name] = oui = next(free)
            write_object(transaction, Change(Key("tenants", name), None, {}), transaction.revision + 1)
        after.cursors["ouis"] = ((oui >> 20 << 16) | oui & 0xFFFF) + 1
        store_state(transaction, before, after)
        added = {Key("tenants", name): {} for name in names}
        store_claims(transaction, {}, complete(added, after))


def put(repository: Repository, name: str, spec: dict | None) -> float:
    """Seconds that it took."""
    begun = time.perf_counter()
    repository.edit("test", lambda get: {Key("tenants", name): spec})
    return time.perf_counter() - begun


@pytest.mark.parametrize(
    "count", [1000, pytest.param(ALL, marks=[pytest.mark.long, pytest.mark.timeout(3600)])]
)
def test_the_last_tenants(tmp_path, count: int) -> None:
    with closing(SqliteStore(tmp_path / "fabric.db")) as store:
        repository = Repository(store, "test")
        repository.replace("import", read_source(BASE, "fabric.yaml"))
        fill(repository, [f"t{number}" for number in range(count - 8)])
        took = [put(repository, f"last{number}", {}) for number in range(6)]
        print(
            f"\n{count} tenants: the last ones were added in {', '.join(f'{s * 1e3:.0f}' for s in took)} ms"
        )
        ouis = repository.allocations().ouis
        assert len(set(ouis.values())) == len(ouis) == count - 1  # red has one of its own
        with pytest.raises(FabricError, match=r"already belongs to tenant|was allocated to tenant"):
            put(repository, "thief", {"oui": "02:00:05"})
        if count < ALL:
            return
        with pytest.raises(FabricError, match=r"all 2\^20 tenant OUIs are in use"):
            put(repository, "one-more", {})
        released = ouis["t500000"]
        print(f"removed in {put(repository, 't500000', None) * 1e3:.0f} ms", end=", ")
        print(f"its OUI found again in {put(repository, 'one-more', {}) * 1e3:.0f} ms")
        assert repository.allocations([Key("tenants", "one-more")]).ouis["one-more"] == released


def test_a_store_of_an_older_version_learns_what_tenants_have(tmp_path) -> None:
    with closing(SqliteStore(tmp_path / "fabric.db")) as store:
        repository = Repository(store, "test")
        repository.replace("import", read_source(BASE, "fabric.yaml"))
        with store.transaction() as transaction:
            for key, _ in [*transaction.scan("claim/ouis/"), *transaction.scan("claims-version")]:
                transaction.delete(key)
        for oui in ("12:00:01", "02:00:01"):
            with pytest.raises(FabricError, match=r"belongs to tenant|was allocated to tenant"):
                put(repository, "thief", {"oui": oui})
