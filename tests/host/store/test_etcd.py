"""What only etcd can do to a transaction: to end between two of its requests, and to forget old revisions."""

import base64
import threading
import time
from contextlib import closing

import pytest
import requests
from opentep.host.store import StoreError
from opentep.host.store.etcd import EtcdStore


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


def test_compaction_to_now(location):
    """Requests elsewhere in etcd may let it forget the revision that ours were made with."""
    with closing(EtcdStore(location)) as store:
        change(store, {"a": "1"})
        store._keys.post("/kv/put", {"key": "eA==", "value": "eA=="})
        now = store._keys.post("/kv/range", {"key": "eA=="})["header"]["revision"]
        store._keys.post("/kv/compaction", {"revision": now})
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
        store._keys.post("/kv/put", {"key": "eA==", "value": "eA=="})
        now = store._keys.post("/kv/range", {"key": "eA=="})["header"]["revision"]
        store._keys.post("/kv/compaction", {"revision": now})
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
