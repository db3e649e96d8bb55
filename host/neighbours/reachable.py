"""What of a TEP's tables can be used while nobody knows where some of its routers are."""

from collections.abc import Collection
from dataclasses import replace

from opentep.host.groups import in_order
from opentep.host.tables import Members, Remote, RemoteTep, Rewritten, TepTables, Way, target_of

from .cache import Key

__all__ = ["without_routers"]


def without_routers(tables: TepTables, held: TepTables, lost: Collection[Key]) -> TepTables:
    """``tables`` without the ways over ``lost`` routers.

    A remote TEP keeps its other ways. One that has none keeps those that it has in ``held``. One that has none there
    either is left out, and with it all that leads to it: its VMs are unknown then, and no request is answered with
    their addresses.
    """
    before = {tep.address: tep.ways for tep in held.teps}

    def ways(tep: RemoteTep) -> tuple[Way, ...]:
        found = tuple(way for way in tep.ways if (way.port, way.router) not in lost)
        return found or before.get(tep.address, ())

    teps = tuple(tep for tep in (replace(tep, ways=ways(tep)) for tep in tables.teps) if tep.ways)
    ports = {tep.index: tep.port for tep in teps}
    unknown = {
        (entry.tenant, entry.mac)
        for entry in tables.macs
        if isinstance(entry.place, Remote) and entry.place.tep not in ports
    }
    return replace(
        tables,
        teps=teps,
        macs=tuple(entry for entry in tables.macs if (entry.tenant, entry.mac) not in unknown),
        lists=tuple(replace(entry, members=_members(entry.members, tables, ports)) for entry in tables.lists),
        known=tuple(known for known in tables.known if (known.tenant, known.mac) not in unknown),
    )


def _members(members: Members, tables: TepTables, ports: dict[int, int]) -> Members:
    """``members`` with remote TEPs on their ``ports``, by index, as far as they have one."""
    result = {port: targets for port, targets in members.items() if tables.ports[port].role == "access"}
    remote: dict[int, list[int | Rewritten]] = {}
    for port in members.keys() - result.keys():
        for member in members[port]:
            if target_of(member) in ports:
                remote.setdefault(ports[target_of(member)], []).append(member)
    return result | {port: in_order(remote[port]) for port in sorted(remote)}
