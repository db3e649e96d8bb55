"""What the controller has allocated for names."""

import json
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .addresses import parse_mac, parse_oui

__all__ = ["Claims", "State", "StateError", "former_state"]

_FORMAT = 1


class StateError(Exception):
    """The state file is damaged or from another version."""


class Claims(Protocol):
    """What VMs and tenants have that nobody shows to the allocation."""

    def has_oui(self, oui: int) -> bool:
        """Whether a tenant has this OUI."""

    def has_mac(self, mac: int) -> bool:
        """Whether a VM has this MAC address."""

    def vlans(self, vswitch: str) -> set[int]:
        """VLAN IDs that VMs have there."""


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
    claims: Claims | None = field(default=None, compare=False)
    """Of those who are not in the fabric that is allocated for, if it is only a part."""
    renewed: frozenset[str] = field(default=frozenset(), compare=False)
    """VMs that are to get another VLAN ID than they have."""
    indices: dict[str, dict[str, int]] = field(default_factory=dict)
    """Per TEP and kind of table (``rack1/tenants``): index by name, so that entries keep their place."""

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


def former_state(document: Path) -> State:
    """What versions without a store kept beside the document ``fabric.yaml``, in ``fabric.state.json``; empty if there
    is none. Raises :class:`StateError`."""
    path = document.with_name(document.stem + ".state.json")
    try:
        return State.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return State()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(
            f"{path} is damaged ({error}): restore it from a copy,"
            " or remove it to allocate MACs and VLANs anew"
        ) from None
