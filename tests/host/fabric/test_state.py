"""What versions without a store kept."""

import json
from pathlib import Path

import pytest
from opentep.host.fabric import State, StateError, former_state

FORMER = {
    "format": 1,
    "ouis": {"red": "12:00:01"},
    "macs": {"a": "12:00:01:00:00:01"},
    "vlans": {"a": ["s1", 2]},
    "cursors": {"vlans/s1": 3},
    "indices": {"rack1/tenants": {"red": 0}},
}


def test_it_is_read(tmp_path: Path) -> None:
    document = tmp_path / "fabric.yaml"
    assert former_state(document) == State()
    (tmp_path / "fabric.state.json").write_text(json.dumps(FORMER))
    state = former_state(document)
    assert state.ouis == {"red": 0x120001}
    assert state.macs == {"a": 0x120001000001}
    assert state.vlans == {"a": ("s1", 2)}
    assert state.cursors == {"vlans/s1": 3}
    assert state.indices == {"rack1/tenants": {"red": 0}}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1, "ouis": {"x": 3}}'])
def test_a_damaged_one_is_not_thrown_away(tmp_path: Path, text: str) -> None:
    path = tmp_path / "fabric.state.json"
    path.write_text(text)
    with pytest.raises(StateError, match="restore it"):
        former_state(tmp_path / "fabric.yaml")
    assert path.read_text() == text
