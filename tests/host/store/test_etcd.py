"""What only etcd can do to a transaction: to end between two of its requests, and to forget old revisions."""

import base64
import threading
import time
from contextlib import closing

import pytest
import requests
from opentep.host.store import StoreError
from opentep.host.store.etcd import EtcdStore
from opentep.host.store.keys import put


class PowerCut(BaseException):
    pass


class Mortal(EtcdStore):
    """Dies instead of its ``steps``-th guarded request."""

    steps = 10**9

    def _guarded(self, lock, operations) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise PowerCut
        super()._guarded(lock, operations)


@pytest.fixture
def location(etcd, tmp_path) -> str:
    return f"etcd://127.0.0.1:{etcd.port}/{tmp_path.name}-{tmp_path.parent.name}"


def contents(store) -> dict[str, str]:
    with store.view() as view:
        return dict(view.scan(""))


def change(store, wanted: dict[str, str]) -> None:
    with store.transaction() as transaction:
        for key, _ in list(transaction.scan("")):
            if key not in wanted:
                transaction.delete(key)
        for key, value in wanted.items():
            transaction.put(key, value)


@pytest.mark.parametrize("deaths", [1, 2])
def test_a_death_at_any_step(location, deaths):
    """Also while another one's death is being repaired."""
    old = {f"{number}": "old" for number in range(0, 250)}
    new = {f"{number}": "new" for number in range(125, 400)}
    with closing(Mortal(location)) as store, closing(EtcdStore(location)) as other:
        change(other, old)
        expected = old
        for steps in range(20):
            for _ in range(deaths):
                store.steps = steps
                try:
                    change(store, new if expected is old else old)
                    expected = new if expected is old else old
                except PowerCut:
                    # The head may have moved before.
                    assert contents(other) in (old, new)
                    expected = old if contents(other) == old else new
            assert contents(other) == expected
            with other.transaction() as transaction:
                assert dict(transaction.scan("")) == expected
        assert store.steps > 0, "the last one lived"


class Deaf(EtcdStore):
    """Loses etcd when only what nobody sees is left to be removed."""

    def _in_chunks(self, lock, operations) -> None:
        if any("request_delete_range" in operation for operation in operations):
            raise requests.ConnectionError
        super()._in_chunks(lock, operations)


def test_what_is_stored_is_not_told_to_have_failed(location):
    with closing(Deaf(location)) as store, closing(EtcdStore(location)) as other:
        change(store, {f"{number}": "old" for number in range(250)})
        change(store, {"1": "new"})
        assert contents(other) == {"1": "new"}


class Unheard(EtcdStore):
    """Loses the answer to the request that moves the head, or, without ``arrives``, the request; and the next
    ``silent`` ones."""

    def __init__(self, location: str, *, arrives: bool, silent: int = 0):
        super().__init__(location)
        self._arrives = arrives
        self._silent = silent
        self._commit, self._keys.commit = self._keys.commit, self._lossy

    def _lossy(self, compare, operations):
        moves = put(self._head_key, "1") in operations
        if moves and self._arrives:
            self._commit(compare, operations)
        if moves or (compare[0].get("create_revision") and self._silent):
            self._silent -= not moves
            raise requests.ConnectionError
        return self._commit(compare, operations)


@pytest.mark.parametrize("size", [1, 250])
@pytest.mark.parametrize("arrives", [True, False])
def test_an_answer_that_gets_lost(location, arrives, size):
    wanted = {f"{number}": "new" for number in range(size)}
    with closing(Unheard(location, arrives=arrives)) as store, closing(EtcdStore(location)) as other:
        if arrives:
            change(store, wanted)
        else:
            with pytest.raises(StoreError, match=r"no answer of etcd: [^;]*; remedy: see that it runs$"):
                change(store, wanted)
        assert contents(other) == (wanted if arrives else {})
        change(other, {"after": "1"})
        assert contents(other) == {"after": "1"}


@pytest.mark.parametrize("arrives", [True, False])
def test_it_is_not_known_what_became_of_it(location, arrives):
    with closing(Unheard(location, arrives=arrives, silent=1)) as store:
        with pytest.raises(StoreError, match="may be stored all the same: see `opentep log`"):
            change(store, {"a": "1"})


def test_somebody_else_had_the_lock_since(location):
    with (
        closing(EtcdStore(location)) as store,
        closing(EtcdStore(location)) as other,
        store._locked() as lock,
    ):
        assert store._is_stored(lock, 1) is False
        change(other, {"a": "another one"})
        assert store._is_stored(lock, 1) is None
        assert store._is_stored(lock, 2) is False


def test_an_answer_that_is_none_does_not_end_the_keeper(location, monkeypatch):
    """As a gateway answers while its cluster has no leader."""
    monkeypatch.setattr("opentep.host.store.lock._LEASE_SECONDS", 1)
    asked = threading.Semaphore(0)

    def refresh(_lease) -> None:
        asked.release()
        raise KeyError("result")

    monkeypatch.setattr("etcd3gw.lease.Lease.refresh", refresh)
    with closing(EtcdStore(location)) as store, store.transaction():
        assert asked.acquire(timeout=10) and asked.acquire(timeout=10)


def compact(store) -> None:
    """Requests elsewhere in etcd may let it forget the revision that ours were made with."""
    store._keys.post("/kv/put", {"key": "eA==", "value": "eA=="})
    now = store._keys.post("/kv/range", {"key": "eA=="})["header"]["revision"]
    store._keys.post("/kv/compaction", {"revision": now})


def test_compaction_to_now(location):
    with closing(EtcdStore(location)) as store:
        change(store, {"a": "1"})
        compact(store)
        assert contents(store) == {"a": "1"}
        begun = time.monotonic()
        thread = threading.Thread(target=change, args=(EtcdStore(location), {"b": "2"}))
        thread.start()
        assert store.wait(1, 30) == 2
        assert time.monotonic() - begun < 20, "it was told"
        thread.join()
        assert contents(store) == {"b": "2"}


def test_a_transaction_after_compaction(location):
    """Before anybody has read."""
    with closing(EtcdStore(location)) as store:
        change(store, {"a": "1"})
        compact(store)
        with store.transaction() as transaction:
            assert dict(transaction.scan("")) == {"a": "1"}
            transaction.put("b", "2")
        assert contents(store) == {"a": "1", "b": "2"}


def test_notes_do_not_forget_what_a_dead_one_left(location, monkeypatch):
    """Only with the values before it a torn transaction can be taken back."""
    monkeypatch.setattr("opentep.host.store.etcd._NOTES_KEPT", 5)
    old = {f"{number}": "old" for number in range(250)}
    with closing(Mortal(location)) as mortal, closing(EtcdStore(location)) as other:
        change(other, old)
        mortal.steps = 2
        with pytest.raises(PowerCut):
            change(mortal, dict.fromkeys(old, "new"))
        for number in range(20):
            other.note("counters", str(number))
        assert contents(other) == old
        change(other, {"a": "1"})
        assert contents(other) == {"a": "1"}


def test_a_lock_that_expired_stores_nothing(location):
    with closing(EtcdStore(location)) as store:
        change(store, {"a": "1"})
        with pytest.raises(StoreError, match="nothing was changed"), store.transaction() as transaction:
            transaction.put("a", "2")
            store._keys.post("/kv/deleterange", {"key": base64.b64encode(store.lock_key.encode()).decode()})
        assert contents(store) == {"a": "1"}
