"""What every store must do, with a real SQLite file and a real etcd."""

import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentep.host.store import StoreError, open_store

_SPAWN = multiprocessing.get_context("spawn")
_KEYS = st.text(st.sampled_from("ab/é\U0010fffd"), min_size=1, max_size=4)


def contents(store, prefix="") -> dict[str, str]:
    with store.view() as view:
        return dict(view.scan(prefix))


def revision(store) -> int:
    with store.view() as view:
        return view.revision


def test_a_new_store_is_empty(store):
    assert (contents(store), revision(store)) == ({}, 0)


def test_keys_come_in_order_and_by_prefix(store):
    with store.transaction() as transaction:
        for key in ("b/2", "a/1", "b/10", "b", "c/1", "b/é", "b/\U0010fffd"):
            transaction.put(key, key.upper())
        assert [key for key, _ in transaction.scan("b/")] == ["b/10", "b/2", "b/é", "b/\U0010fffd"]
    with store.view() as view:
        assert [key for key, _ in view.scan("b/")] == ["b/10", "b/2", "b/é", "b/\U0010fffd"]
        assert view.get("b/é") == "B/É"
        assert view.get("b/") is None
        assert view.get_many(["b/é", "b/", "a/1"]) == {"b/é": "B/É", "a/1": "A/1"}
        prefixes = ["c", "b/", "x"]
        assert view.scan_many(prefixes) == {prefix: list(view.scan(prefix)) for prefix in prefixes}
        assert view.revision == 1


def test_what_raises_stores_nothing(store):
    with store.transaction() as transaction:
        transaction.put("kept", "1")
    with pytest.raises(ZeroDivisionError), store.transaction() as transaction:
        transaction.put("lost", "2")
        transaction.delete("kept")
        assert transaction.get("kept") is None and transaction.get("lost") == "2"
        raise ZeroDivisionError
    assert (contents(store), revision(store)) == ({"kept": "1"}, 1)


def test_only_changes_count(store):
    with store.transaction():
        pass
    assert revision(store) == 0


def test_a_view_does_not_move(store, location):
    with store.transaction() as transaction:
        transaction.put("a", "1")
        transaction.put("b", "1")
    with store.view() as view:
        assert view.get("a") == "1"
        with closing(open_store(location)) as other, other.transaction() as transaction:
            transaction.put("a", "2")
            transaction.delete("b")
        assert dict(view.scan("")) == {"a": "1", "b": "1"}
        assert view.revision == 1
    assert (contents(store), revision(store)) == ({"a": "2"}, 2)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(
            st.tuples(
                _KEYS, st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0")))
            )
        ),
        max_size=4,
    )
)
def test_any_sequence_of_transactions(store, transactions):
    expected = contents(store)
    before = revision(store)
    for changes in transactions:
        with store.transaction() as transaction:
            for key, value in changes:
                if value is None:
                    transaction.delete(key)
                    expected.pop(key, None)
                else:
                    transaction.put(key, value)
                    expected[key] = value
                assert transaction.get(key) == value
            assert transaction.get_many(["a", "b", "ab"]) == {
                k: expected[k] for k in ("a", "b", "ab") if k in expected
            }
            assert dict(transaction.scan("a")) == {k: v for k, v in expected.items() if k.startswith("a")}
            assert transaction.scan_many(["a", ""]) == {p: list(transaction.scan(p)) for p in ("a", "")}
    assert contents(store) == expected
    assert list(contents(store)) == sorted(expected, key=str.encode)
    assert revision(store) == before + sum(bool(changes) for changes in transactions)


def test_a_transaction_beyond_what_etcd_takes_at_once(store):
    first = {f"k/{number:05}": "x" * (number % 50) for number in range(3000)}
    with store.transaction() as transaction:
        for key, value in first.items():
            transaction.put(key, value)
        transaction.put("large", "y" * 900_000)
    second = {key: value for number, (key, value) in enumerate(first.items()) if number % 3}
    with store.transaction() as transaction:
        transaction.delete("large")
        for key in first.keys() - second.keys():
            transaction.delete(key)
        assert dict(transaction.scan("")) == second
    with store.view() as view:
        found = view.scan_many(["k/", "k/00001", "l"])
        assert dict(found["k/"]) == second and found["k/00001"] == [("k/00001", "x")] and not found["l"]
    assert (contents(store), revision(store)) == (second, 2)


def _count(location: str, times: int) -> None:
    with closing(open_store(location)) as store:
        for _ in range(times):
            with store.transaction() as transaction:
                transaction.put("n", str(int(transaction.get("n") or "0") + 1))


def test_transactions_of_several_processes_do_not_mix(store, location):
    workers = [_SPAWN.Process(target=_count, args=(location, 10)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert contents(store) == {"n": "30"}
    assert revision(store) == 30


def _move_many(location: str) -> None:
    """For ever from one state to the next, each of several hundred keys."""
    with closing(open_store(location)) as store:
        for number in range(10**9):
            with store.transaction() as transaction:
                for key, _ in list(transaction.scan("k/")):
                    transaction.delete(key)
                for index in range(250):
                    transaction.put(f"k/{number % 7}/{index}", str(number))


def is_whole(seen: dict[str, str]) -> bool:
    return len(set(seen.values())) <= 1 and len(seen) in (0, 250)


def test_who_is_killed_leaves_the_whole_or_nothing(store, location):
    """And others see neither a part, while it is alive, nor afterwards."""
    for attempt in range(3):
        worker = _SPAWN.Process(target=_move_many, args=(location,), daemon=True)
        worker.start()
        end = time.monotonic() + 2 + attempt * 0.13
        while time.monotonic() < end:
            seen = contents(store, "k/")
            assert is_whole(seen)
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        assert worker.exitcode == -signal.SIGKILL, "it should have gone on for ever"
        seen = contents(store, "k/")
        with store.transaction() as transaction:  # takes back what there is of another one
            assert dict(transaction.scan("k/")) == seen
            transaction.put("attempts", str(attempt))
        assert contents(store, "k/") == seen
        assert is_whole(seen)
    assert seen


def test_waiting_for_a_change(store, location):
    assert store.wait(0, 0.05) == 0

    def change() -> None:
        time.sleep(0.2)
        with closing(open_store(location)) as other, other.transaction() as transaction:
            transaction.put("a", "1")

    thread = threading.Thread(target=change)
    thread.start()
    begin = time.monotonic()
    assert store.wait(0, 60) == 1
    thread.join()
    assert store.wait(0, 60) == 1
    assert time.monotonic() - begin < 60, "neither waited to the end"


def test_notes_are_beside_transactions(store, location):
    with store.transaction() as transaction:
        transaction.put("a/1", "x")
    store.note("a/1", "y")
    store.note("a/2", "z")
    store.note("b", "w")
    assert store.notes("a/") == {"a/1": "y", "a/2": "z"}
    store.note("a/2", "zz")
    store.note("c", "v")
    store.note("c", None)
    store.note("never", None)
    with closing(open_store(location)) as other:
        assert other.notes("") == {"a/1": "y", "a/2": "zz", "b": "w"}
    assert (contents(store), revision(store)) == ({"a/1": "x"}, 1)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("etcd://127.0.0.1:1/x", "see that it runs"),
        ("mysql://x/y", "write etcd://HOST"),
        ("etcd:127.0.0.1:2379", "write etcd://HOST:2379/PREFIX"),
        ("etcds:/127.0.0.1:2379", "write etcds://HOST:2379/PREFIX"),
        ("/nowhere/at/all.db", "check the path"),
    ],
)
def test_stores_that_are_not_there(location, message):
    with pytest.raises(StoreError, match=message):
        open_store(location)


def test_files_of_others_and_of_newer_versions_are_left_alone(tmp_path):
    other, newer = tmp_path / "other.db", tmp_path / "newer.db"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE theirs (x)")
        database.commit()
    open_store(str(newer)).close()
    with closing(sqlite3.connect(newer)) as database:
        database.execute("PRAGMA user_version = 99")
    before = other.read_bytes(), newer.read_bytes()
    with pytest.raises(StoreError, match="database of another program"):
        open_store(str(other))
    with pytest.raises(StoreError, match=r"newer opentep \(format 99"):
        open_store(str(newer))
    assert (other.read_bytes()[100:], newer.read_bytes()[100:]) == (before[0][100:], before[1][100:])
