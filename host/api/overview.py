"""The fabric at a glance, in an answer whose size does not follow the number of VMs."""

from collections import Counter
from typing import Any

from opentep.host.controller import Repository
from opentep.host.controller.kept import allocated, load_state
from opentep.host.controller.reader import Reader

__all__ = ["MOST_VMS", "MOST_VMS_IN_ALL", "overview"]

MOST_VMS, MOST_VMS_IN_ALL = 96, 2000
"""Of a vSwitch, and of all, that are named; the others are counted."""


def overview(repository: Repository) -> dict[str, Any]:
    """TEPs with what is behind them, and tenants with the number of their VMs."""
    with repository.store.view() as view:
        reader = Reader(view)
        teps, vswitches, tenants, vms = (
            {key.name: stored.spec for key, stored in reader.every(kind).items()}
            for kind in ("teps", "vswitches", "tenants", "vms")
        )
        given = {key.name: spec for key, spec in allocated(load_state(view)).items() if key.kind == "vms"}
        revision = view.revision
    places: dict[str, dict[str, Any]] = {
        name: {"tep": spec["tep"], "port": spec["port"], "count": 0, "vms": []}
        for name, spec in vswitches.items()
    }
    sites: dict[str, dict[str, Any]] = {name: {"count": 0, "vms": []} for name in teps}
    named = 0
    for name, spec in vms.items():
        place = places[spec["vswitch"]] if "vswitch" in spec else sites[spec["tep"]]
        place["count"] += 1
        if len(place["vms"]) < MOST_VMS and named < MOST_VMS_IN_ALL:
            named += 1
            vlan = {**given.get(name, {}), **spec}.get("vlan")
            place["vms"].append({"name": name, "tenant": spec["tenant"], "vlan": vlan})
    of_tenant = Counter(spec["tenant"] for spec in vms.values())
    return {
        "revision": revision,
        "teps": {
            name: {
                "address": spec["address"],
                "foreign": spec.get("foreign", False),
                "ports": list(spec.get("ports", {})),
                **sites[name],
            }
            for name, spec in teps.items()
        },
        "vswitches": places,
        "tenants": {name: of_tenant[name] for name in tenants},
    }
