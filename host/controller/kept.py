"""Allocations in a store, one key each; only what is asked for is read, only what changed is written."""

import json
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from opentep.host.fabric.addresses import format_mac, format_oui, parse_mac, parse_oui
from opentep.host.fabric.state import State
from opentep.host.store import Store, Transaction, View

from .objects import Key

__all__ = ["allocated", "load_indices", "load_state", "store_indices", "store_state"]

_ROOT = "state/"
_INDICES = "indices/"


class _Cursors(MutableMapping[str, int]):
    """Read when they are needed: there is one for each pool."""

    def __init__(self, view: View):
        self._view = view
        self.changed: dict[str, int] = {}

    def __getitem__(self, pool: str) -> int:
        if pool in self.changed:
            return self.changed[pool]
        text = self._view.get(f"{_ROOT}cursors/{pool}")
        if text is None:
            raise KeyError(pool)
        return int(text)

    def __setitem__(self, pool: str, value: int) -> None:
        self.changed[pool] = value

    def __delitem__(self, pool: str) -> None:
        raise TypeError("what was given out once must not be forgotten")

    def __iter__(self) -> Iterator[str]:
        root = f"{_ROOT}cursors/"
        stored = (key.removeprefix(root) for key, _ in self._view.scan(root))
        return iter({**dict.fromkeys(stored), **dict.fromkeys(self.changed)})

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass
class _Texts:
    """Allocations as the store has them."""

    ouis: dict[str, str] = field(default_factory=dict)
    macs: dict[str, str] = field(default_factory=dict)
    vlans: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, state: State) -> "_Texts":
        return cls(
            {name: format_oui(oui) for name, oui in state.ouis.items()},
            {name: format_mac(mac) for name, mac in state.macs.items()},
            {name: f"{vswitch}/{vid}" for name, (vswitch, vid) in state.vlans.items()},
        )

    def keys(self) -> dict[str, str]:
        """All as keys of the store."""
        return {
            f"{_ROOT}{part}/{name}": text
            for part, texts in vars(self).items()
            for name, text in texts.items()
        }

    def state(self, cursors: MutableMapping[str, int]) -> State:
        places = {name: text.rpartition("/") for name, text in self.vlans.items()}
        return State(
            ouis={name: parse_oui(text) for name, text in self.ouis.items()},
            macs={name: parse_mac(text) for name, text in self.macs.items()},
            vlans={name: (vswitch, int(vid)) for name, (vswitch, _, vid) in places.items()},
            cursors=cursors,
        )


def load_state(view: View, objects: Iterable[Key] | None = None) -> State:
    """What was allocated for ``objects``, or for all; without table indices."""
    texts = _Texts()
    if objects is None:
        for part, found in vars(texts).items():
            root = f"{_ROOT}{part}/"
            found.update((key.removeprefix(root), text) for key, text in view.scan(root))
    else:
        parts = {"tenants": ("ouis",), "vms": ("macs", "vlans")}
        wanted = {
            f"{_ROOT}{part}/{key.name}": (part, key.name)
            for key in objects
            for part in parts.get(key.kind, ())
        }
        for path, text in view.get_many(wanted).items():
            part, name = wanted[path]
            vars(texts)[part][name] = text
    return texts.state(_Cursors(view))


def store_state(transaction: Transaction, before: State, after: State) -> None:
    """Write what is different. ``after`` began as another :func:`load_state` of the same."""
    old, new = _Texts.of(before).keys(), _Texts.of(after).keys()
    for key in old.keys() - new.keys():
        transaction.delete(key)
    for key, text in new.items():
        if old.get(key) != text:
            transaction.put(key, text)
    changed = after.cursors.changed if isinstance(after.cursors, _Cursors) else after.cursors
    for pool, value in changed.items():
        transaction.put(f"{_ROOT}cursors/{pool}", str(value))


def allocated(state: State) -> dict[Key, dict[str, Any]]:
    """What documents call it, by the object that it was allocated for."""
    found: dict[Key, dict[str, Any]] = {
        Key("tenants", name): {"oui": format_oui(oui)} for name, oui in state.ouis.items()
    }
    for name, mac in state.macs.items():
        found[Key("vms", name)] = {"mac": format_mac(mac)}
    for name, (_, vid) in state.vlans.items():
        found.setdefault(Key("vms", name), {})["vlan"] = vid
    return found


def load_indices(store: Store, tep: str | None = None) -> dict[str, dict[str, int]]:
    """Table indices of one TEP or all, which whoever fills its tables keeps."""
    found = store.notes(_INDICES if tep is None else f"{_INDICES}{tep}/")
    return {kind.removeprefix(_INDICES): json.loads(text) for kind, text in found.items()}


def store_indices(store: Store, before: dict[str, dict[str, int]], after: dict[str, dict[str, int]]) -> None:
    """Write what is different."""
    for kind, numbers in after.items():
        if before.get(kind) != numbers:
            store.note(_INDICES + kind, json.dumps(numbers))
