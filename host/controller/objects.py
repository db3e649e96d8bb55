"""The objects that a fabric document is made of, one by one.

``settings`` are what stands at the document's top: the underlay and the tenant key. A rule is named
``FROM/TO``; all else as in the document.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = [
    "KINDS",
    "TENANT_KEY",
    "TITLES",
    "Key",
    "as_document",
    "misnamed",
    "objects_of",
    "references",
    "rule_name",
]

KINDS = ("settings", "teps", "tenants", "vswitches", "vms", "groups", "rules")
"""In the order of a document, so that what is referred to comes before what refers to it, but for TEPs."""

TITLES = {
    "settings": "setting",
    "teps": "TEP",
    "tenants": "tenant",
    "vswitches": "vSwitch",
    "vms": "VM",
    "groups": "group",
    "rules": "rule",
}
"""What one of them is called in a sentence."""

_SETTINGS = ("underlay", "tenant_key")


@dataclass(frozen=True, order=True)
class Key:
    """Which object."""

    kind: str
    """One of :data:`KINDS`."""
    name: str

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return f"{TITLES[self.kind]} '{self._shown}'"

    def __str__(self) -> str:
        return f"{self.kind}.{self._shown}"

    @property
    def _shown(self) -> str:
        return self.name.replace("/", " → ")


TENANT_KEY = Key("settings", "tenant_key")


def rule_name(source: str, target: str) -> str:
    """What a rule from one tenant to another is called."""
    return f"{source}/{target}"


def misnamed(key: Key, spec: Any) -> str | None:
    """What is wrong with the name of an object whose ``spec`` satisfies the schema."""
    if key.kind == "settings" and key.name not in _SETTINGS:
        return f"there is no setting '{key.name}'"
    if key.kind == "rules" and key.name != rule_name(spec["from"], spec["to"]):
        return f"the rule from '{spec['from']}' to '{spec['to']}' has another name"
    return None


def objects_of(document: dict[str, Any]) -> dict[Key, Any]:
    """Every object of a document that satisfies the schema."""
    objects = {Key("settings", name): document[name] for name in _SETTINGS if name in document}
    for kind in KINDS[1:-1]:
        objects.update((Key(kind, name), spec or {}) for name, spec in document.get(kind, {}).items())
    for rule in document.get("rules", ()):
        objects[Key("rules", rule_name(rule["from"], rule["to"]))] = rule
    return objects


def as_document(objects: dict[Key, Any]) -> dict[str, Any]:
    """The reverse of :func:`objects_of`, each kind in the order of ``objects``."""
    document: dict[str, Any] = {"version": 1}
    document.update(
        (name, objects[Key("settings", name)]) for name in _SETTINGS if Key("settings", name) in objects
    )
    document["teps"] = {}
    for key, spec in objects.items():
        if key.kind == "rules":
            document.setdefault("rules", []).append(spec)
        elif key.kind != "settings":
            document.setdefault(key.kind, {})[key.name] = spec
    return {kind: document[kind] for kind in ("version", *_SETTINGS, *KINDS[1:]) if kind in document}


def references(key: Key, spec: Any) -> Iterator[Key]:
    """Objects that this one names; whether they exist is another matter."""
    match key.kind:
        case "teps":
            yield from (Key("teps", remote) for remote in spec.get("next_hops", ()))
            if any("tenant_key" in port for port in spec.get("ports", {}).values()):
                yield TENANT_KEY  # which it departs from
        case "tenants":
            yield from (Key("teps", tep) for tep in spec.get("teps", ()))
        case "vswitches":
            yield Key("teps", spec["tep"])
        case "vms":
            yield Key("tenants", spec["tenant"])
            if "vswitch" in spec:
                yield Key("vswitches", spec["vswitch"])
            if "tep" in spec:
                yield Key("teps", spec["tep"])
        case "groups":
            yield Key("tenants", spec["tenant"])
            yield from (Key("vms", member) for member in spec["members"])
        case "rules":
            yield from (Key("tenants", spec[end]) for end in ("from", "to"))
