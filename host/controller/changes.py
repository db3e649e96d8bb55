"""What is different between two states of the fabric's objects."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .objects import Key

__all__ = ["Change", "differences"]


@dataclass(frozen=True)
class Change:
    """An object before and after; ``None`` where it is not there."""

    key: Key
    before: Any
    after: Any

    @property
    def action(self) -> str:
        """``add``, ``change`` or ``remove``."""
        if self.before is None:
            return "add"
        return "remove" if self.after is None else "change"

    def lines(self) -> Iterator[str]:
        """For people: the object, and of one that changed only what is different."""
        if self.action != "change":
            yield f"{'+' if self.before is None else '-'} {self.key}: {_flow(self.after or self.before or {})}"
            return
        yield f"~ {self.key}"
        for name in dict.fromkeys((*_fields(self.before), *_fields(self.after))):
            old, new = _fields(self.before).get(name), _fields(self.after).get(name)
            if old != new:
                yield f"    {name}: {_flow(old)} → {_flow(new)}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "kind": self.key.kind,
            "name": self.key.name,
            "before": self.before,
            "after": self.after,
        }


def _fields(spec: Any) -> dict[str, Any]:
    return spec if isinstance(spec, dict) else {"value": spec}


def _flow(value: Any) -> str:
    """As in YAML, in one line."""
    if value is None:
        return "—"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def differences(before: Mapping[Key, Any], after: Mapping[Key, Any]) -> list[Change]:
    """Every object that is not the same in both."""
    keys = dict.fromkeys((*before, *after))
    return [Change(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]
