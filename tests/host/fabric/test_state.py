"""Allocations survive, whole."""

import json
import multiprocessing
from pathlib import Path

import pytest
from opentep.host.fabric import FileStore, State, StateError, state_path


def test_round_trip(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "fabric.state.json")
    assert store.load() == State()
    with store.transaction() as state:
        state.macs["a"] = 0x120001000001
        state.vlans["a"] = ("sw1", 5)
        state.ouis["red"] = 0x120001
        state.cursors["ouis"] = 7
        state.indices["rack1/teps"] = {"rack2": 0}
    assert store.load() == state
    assert json.loads(store.path.read_text())["macs"] == {"a": "12:00:01:00:00:01"}


def test_a_failed_transaction_changes_nothing(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "s.json")
    with store.transaction() as state:
        state.cursors["x"] = 1
    with pytest.raises(RuntimeError), store.transaction() as state:
        state.cursors["x"] = 2
        raise RuntimeError
    assert store.load().cursors == {"x": 1}
    assert {path.name for path in tmp_path.iterdir()} == {"s.json", ".s.json.lock"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 2}', '{"format": 1}', '{"format": 1, "ouis": 3}']
)
def test_damage_is_an_error_with_a_remedy(tmp_path: Path, text: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(StateError, match="restore it"):
        FileStore(path).load()


def _count(path: Path) -> None:
    for _ in range(20):
        with FileStore(path).transaction() as state:
            state.cursors["n"] = state.cursors.get("n", 0) + 1


def test_transactions_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count, args=(path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert FileStore(path).load().cursors["n"] == 40


def test_name() -> None:
    assert state_path(Path("/x/fabric.yaml")) == Path("/x/fabric.state.json")
