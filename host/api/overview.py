"""The fabric at a glance, in an answer whose size does not follow the number of VMs."""

from collections import Counter
from typing import Any

from opentep.host.controller import Repository
from opentep.host.controller.kept import allocated

__all__ = ["MOST_VMS", "overview"]

MOST_VMS = 96
"""Of a vSwitch that are named; the others are counted."""


def overview(repository: Repository) -> dict[str, Any]:
    """TEPs with what is behind them, and tenants with the number of their VMs."""
    teps = {key.name: stored.spec for key, stored in repository.objects("teps").items()}
    vswitches = {key.name: stored.spec for key, stored in repository.objects("vswitches").items()}
    vms = {key.name: stored.spec for key, stored in repository.objects("vms").items()}
    given = {key.name: spec for key, spec in allocated(repository.allocations()).items() if key.kind == "vms"}
    places: dict[str, dict[str, Any]] = {
        name: {"tep": spec["tep"], "port": spec["port"], "count": 0, "vms": []}
        for name, spec in vswitches.items()
    }
    sites: dict[str, dict[str, Any]] = {name: {"count": 0, "vms": []} for name in teps}
    for name, spec in vms.items():
        place = places[spec["vswitch"]] if "vswitch" in spec else sites[spec["tep"]]
        place["count"] += 1
        if len(place["vms"]) < MOST_VMS:
            vlan = {**given.get(name, {}), **spec}.get("vlan")
            place["vms"].append({"name": name, "tenant": spec["tenant"], "vlan": vlan})
    of_tenant = Counter(spec["tenant"] for spec in vms.values())
    return {
        "revision": repository.revision,
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
        "tenants": {key.name: of_tenant[key.name] for key in repository.objects("tenants")},
    }
