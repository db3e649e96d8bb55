"""Documents of any size, for measurements and tests."""

import random
from collections.abc import Mapping

__all__ = ["large_document"]

_RACKS = 4
"""That a tenant's VMs are spread over."""


_CORE = {"teps": 1024, "members": 2048}


def large_document(
    teps: int, tenants: int, vms: int, *, seed: int = 1, core: Mapping[str, int] | None = None
) -> str:
    """A fabric of racks with a TEP and a vSwitch each, and tenants of the same size on a few random ones. What can be
    allocated is left out. ``core``: build parameters of all TEPs."""
    sizes = ", ".join(f"{name}: {size}" for name, size in (core or _CORE).items())
    rng = random.Random(seed)
    lines = ["version: 1", "underlay: {mtu: 1600}", "teps:"]
    for number in range(teps):
        low = number.to_bytes(3, "big").hex(":")
        lines += [
            f"  rack{number}:",
            f"    address: fd00:{number >> 16:x}:{number & 0xFFFF:x}::1",
            f"    link: {{device: /dev/rack{number}}}",
            f"    core: {{{sizes}}}",
            "    ports:",
            "      server: {role: access}",
            f"      uplink: {{role: fabric, mac: 02:00:5e:{low}, next_hop: 02:00:5f:{low}}}",
        ]
    lines += ["tenants:", *(f"  tenant{number}: {{}}" for number in range(tenants)), "vswitches:"]
    lines += [f"  vswitch{number}: {{tep: rack{number}, port: server}}" for number in range(teps)]
    lines.append("vms:")
    for tenant in range(tenants):
        racks = rng.sample(range(teps), min(_RACKS, teps))
        for number in range(tenant * vms // tenants, (tenant + 1) * vms // tenants):
            place = f"tenant: tenant{tenant}, vswitch: vswitch{rng.choice(racks)}"
            lines.append(
                f"  vm{number}: {{{place}, addresses: [10.{number >> 16}.{number >> 8 & 255}.{number & 255}/8]}}"
            )
    return "\n".join(lines) + "\n"
