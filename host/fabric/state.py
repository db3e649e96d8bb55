"""What the controller has allocated, kept durably beside the document.

Everything else asks :class:`Store` for it, so that another store can take the place of the file.
"""

import contextlib
import copy
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .addresses import format_mac, format_oui, parse_mac, parse_oui

__all__ = ["FileStore", "MemoryStore", "State", "StateError", "Store", "state_path"]

_FORMAT = 1


class StateError(Exception):
    """The state file is damaged or from another version."""


@dataclass
class State:
    """Allocations by name."""

    ouis: dict[str, int] = field(default_factory=dict)
    """Per tenant."""
    macs: dict[str, int] = field(default_factory=dict)
    """Per VM."""
    vlans: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Per VM: its vSwitch and VLAN ID there."""
    cursors: MutableMapping[str, int] = field(default_factory=dict)
    """Per pool: where the search for a free value starts, so that released values rest before reuse."""
    indices: dict[str, dict[str, int]] = field(default_factory=dict)
    """Per TEP and kind of table (``rack1/tenants``): index by name, so that entries keep their place."""

    def as_json(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "ouis": {name: format_oui(oui) for name, oui in self.ouis.items()},
            "macs": {name: format_mac(mac) for name, mac in self.macs.items()},
            "vlans": {name: list(place) for name, place in self.vlans.items()},
            "cursors": dict(self.cursors),
            "indices": self.indices,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "State":
        if raw.get("format") != _FORMAT:
            raise ValueError(f"format {raw.get('format')!r} instead of {_FORMAT}")
        return cls(
            ouis={name: parse_oui(oui) for name, oui in raw["ouis"].items()},
            macs={name: parse_mac(mac) for name, mac in raw["macs"].items()},
            vlans={name: (str(vswitch), int(vid)) for name, (vswitch, vid) in raw["vlans"].items()},
            cursors={name: int(value) for name, value in raw["cursors"].items()},
            indices={
                kind: {name: int(index) for name, index in names.items()}
                for kind, names in raw["indices"].items()
            },
        )


class Store(Protocol):
    """Where allocations are kept."""

    def load(self) -> State:
        """A private copy of the state."""

    def transaction(self) -> AbstractContextManager[State]:
        """The state, to be changed: stored durably when the block ends, unchanged if it raises."""


class MemoryStore:
    """Forgets everything with the process: replays and tests."""

    def __init__(self, state: State | None = None):
        self._state = state or State()

    def load(self) -> State:
        return copy.deepcopy(self._state)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[State]:
        state = self.load()
        yield state
        self._state = state


def state_path(document: Path) -> Path:
    """The state file of a document: ``fabric.state.json`` beside ``fabric.yaml``."""
    return document.with_name(document.stem + ".state.json")


class FileStore:
    """A JSON file that is replaced whole: a crash leaves the old or the new state, never a part."""

    def __init__(self, path: Path):
        self.path = path

    def load(self) -> State:
        try:
            return State.from_json(json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return State()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(
                f"{self.path} is damaged ({error}): restore it from a copy,"
                " or remove it to allocate MACs and VLANs anew"
            ) from None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[State]:
        lock_path = self.path.with_name(f".{self.path.name}.lock")
        with lock_path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self.load()
            state = copy.deepcopy(before)
            yield state
            if state != before or not self.path.exists():
                self._replace(json.dumps(state.as_json(), indent=2) + "\n")

    def _replace(self, text: str) -> None:
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self.path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)  # the new name, too, must survive a power cut
        finally:
            os.close(directory)
