"""How much of a TEP its tables take, and what of them it cannot have."""

from collections.abc import Iterator
from dataclasses import dataclass

from opentep.gateware.lookup.tables import tenant_geometry
from opentep.gateware.params import Params
from opentep.gateware.suppression.tables import known_room
from opentep.host.encode import encode_members, tenant_keys
from opentep.host.tables import Tenant, TepTables

__all__ = ["Usage", "beyond_storm_control", "usage", "without_storm_control"]


def beyond_storm_control(tables: TepTables, params: Params) -> Iterator[Tenant]:
    """Tenants with a limit that a core built with ``params`` has no bucket for."""
    return (t for t in tables.tenants if t.storm is not None and t.index >= params.limited_tenants)


def without_storm_control(tables: TepTables, params: Params) -> str:
    """Why a tenant with a limit has none."""
    room = params.limited_tenants
    if sum(tenant.storm is not None for tenant in tables.tenants) > room:
        return f"the core has room for {room} tenants with limits"
    others = sum(tenant.storm is None and tenant.index < room for tenant in tables.tenants)
    return (
        f"all {room} places for tenants with limits are taken, {others} of them by tenants without a limit,"
        " which keep them until they leave this TEP"
    )


@dataclass(frozen=True)
class Usage:
    """How full a table gets."""

    table: str
    parameter: str
    """Build parameter that sets its size."""
    used: int
    room: int
    what: str


def _lists_used(tables: TepTables, params: Params) -> int:
    """How many there are; more if gaps between the pairs let the last one fall out of the table."""
    end = max((entry.index + 1 for entry in tables.lists), default=0)
    return end if end > params.lists else len(tables.lists)


def usage(tables: TepTables, params: Params) -> list[Usage]:
    """How full the tables of a core built with ``params`` get."""
    per_port = [
        (
            f"replica list members on port '{port.name}'",
            [len(encode_members(e.members.get(index, ()))) for e in tables.lists],
        )
        for index, port in enumerate(tables.ports)
    ]
    keys = sum(len(tenant_keys(tenant, tables.key_masks)) for tenant in tables.tenants)
    what, members = max(((what, sum(counts)) for what, counts in per_port), key=lambda pair: pair[1])
    return [
        Usage("tenants", "tenants", len(tables.tenants), params.tenants, "tenants present"),
        Usage(
            "tenant_keys",
            "tenants",
            keys,
            tenant_geometry(params).room,
            "OUIs and networks of the tenants present",
        ),
        Usage(
            "macs",
            "macs",
            len(tables.macs),
            params.macs,
            "MAC addresses (VMs of the tenants present, and groups that these send to)",
        ),
        Usage(
            "known",
            "known_addresses",
            len(tables.known),
            known_room(params),
            "IP addresses of tenants with 'suppress'",
        ),
        Usage("rules", "rules", len(tables.rules), params.rules, "rules of the tenants present"),
        Usage("teps", "teps", len(tables.teps), params.teps, "remote TEPs"),
        Usage(
            "lists",
            "lists",
            _lists_used(tables, params),
            params.lists,
            "replica lists (tenants present, and groups that these send to)",
        ),
        Usage("members", "members", members, params.members, what),
    ]
