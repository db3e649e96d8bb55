"""The way from one set of tables to another on which no frame crosses from tenant to tenant.

Most changes are *kind*: an entry is added, or goes on meaning the same tenant, VM or TEP, and can be replaced
while frames pass. Some give a number (tenant index, TEP index, list, VLAN ID of a port) to someone else.
Frames that were judged before such a change may still wait in a queue, and would be delivered by what the
number means after it. So it is *vacated* first, and given out again only when the queues have drained.
"""

from collections.abc import Iterable
from dataclasses import replace

from opentep.gateware.headers import Encapsulation
from opentep.host.tables import (
    Group,
    Local,
    MacTableEntry,
    Members,
    Remote,
    RemoteTep,
    ReplicaList,
    Tenant,
    TepTables,
    target_of,
)

__all__ = ["vacate"]

_Place = Local | Remote


def _repurposed_tenants(held: TepTables, desired: TepTables) -> set[int]:
    """Tenant indices that mean a tenant with no OUI in common, or with another block or VLAN ID."""
    wanted = {tenant.index: tenant for tenant in desired.tenants}

    def is_another(now: Tenant) -> bool:
        then = wanted.get(now.index)
        if then is None:
            return False
        if (now.vlan, now.block) != (then.vlan, then.block):
            return True
        return now.ouis != then.ouis and not set(now.ouis) & set(then.ouis)

    return {tenant.index for tenant in held.tenants if is_another(tenant)}


def _way(tep: RemoteTep) -> tuple[int, Encapsulation, bool, bool]:
    return tep.address, tep.encapsulation, tep.sid_function, tep.dscp is not None


def _repurposed_teps(held: TepTables, desired: TepTables) -> set[int]:
    """TEP indices that mean a TEP with another address, or another way of sending to it."""
    wanted = {tep.index: _way(tep) for tep in desired.teps}
    return {tep.index for tep in held.teps if wanted.get(tep.index, _way(tep)) != _way(tep)}


def _lost_teps(held: TepTables) -> set[int]:
    """Indices that mean no TEP any more, as somebody was interrupted who took it away."""
    known = {tep.index for tep in held.teps}
    return {
        entry.place.tep
        for entry in held.macs
        if isinstance(entry.place, Remote) and entry.place.tep not in known
    }


def _repurposed_lists(held: TepTables, desired: TepTables, tenants: set[int]) -> set[int]:
    """Lists that get other users than they had, and left-over lists that get users."""
    before = held.list_users()
    after = desired.list_users()
    filled = {entry.index for entry in held.lists if any(entry.members.values())}
    return {
        index
        for index in after.keys() & (before.keys() | filled)
        if not before.get(index, set()) & after[index]
        or any(tenant in tenants for tenant, _ in before[index])
    }


def _owners(tables: TepTables, moved: set[int]) -> dict[_Place, tuple[str, int]]:
    """Per (port, VLAN ID): the tenant whose VM is there. Indices in ``moved`` mean another tenant by then."""
    return {
        entry.place: ("moved" if entry.tenant in moved else "", entry.tenant)
        for entry in tables.macs
        if isinstance(entry.place, Local)
    }


def _taken_over(held: TepTables, desired: TepTables, tenants: set[int]) -> set[_Place]:
    """Places (port, VLAN ID) that pass from a VM of one tenant to one of another."""
    before = _owners(held, tenants)
    after = _owners(desired, set())
    return {place for place in before.keys() & after.keys() if before[place] != after[place]}


def _without_lists(
    held: TepTables, desired: TepTables, lists: set[int], tenants: set[int]
) -> tuple[tuple[Tenant, ...], set[int]]:
    """Tenants that remain when ``tenants`` go and ``lists`` are taken away, and the indices of those that do not.

    One that gets another flood list turns to it at once (it is empty then, or the tenant's already), without what the
    list behind it is for unless that stays; one that goes away goes now, before its list means someone else.
    """
    wanted = {tenant.index: tenant for tenant in desired.tenants}
    remaining, gone = [], set()
    for tenant in held.tenants:
        if tenant.index in tenants:
            continue
        if not tenant.flood_lists & lists:
            remaining.append(tenant)
        elif tenant.index in wanted:
            then = wanted[tenant.index]
            kept = replace(
                tenant,
                flood_list=then.flood_list,
                unknown_list=then.unknown_list,
                rewrites=tenant.rewrites and then.rewrites,
                group_key=tenant.group_key and then.group_key,
            )
            remaining.append(kept)
        else:
            gone.add(tenant.index)
    return tuple(remaining), gone


def _without(members: Members, gone: set[tuple[int, int]]) -> Members:
    kept = {
        port: tuple(member for member in values if (port, target_of(member)) not in gone)
        for port, values in members.items()
    }
    return {port: values for port, values in kept.items() if values}


def _turned(held: TepTables, desired: TepTables) -> set[int]:
    """Tenants whose group addresses are to have pairs of lists and do not, or the reverse: an entry of the one kind
    must not be met with the other's flag."""
    before = {tenant.index: tenant.rewrites for tenant in held.tenants}
    return {t.index for t in desired.tenants if before.get(t.index, t.rewrites) != t.rewrites}


def vacate(held: TepTables, desired: TepTables) -> TepTables:
    """``held`` without everything whose number means someone else in ``desired``, or nobody; VMs that lose their place
    that way, and are to be behind a TEP that stays, are there already.

    Equal to ``held`` if no number changes hands.
    """
    tenants = _repurposed_tenants(held, desired)
    teps = _repurposed_teps(held, desired) | _lost_teps(held)
    lists = _repurposed_lists(held, desired, tenants)
    places = _taken_over(held, desired, tenants)
    turned = _turned(held, desired)
    if not (tenants or teps or lists or places or turned):
        return held
    present, gone_tenants = _without_lists(held, desired, lists, tenants)
    tenants |= gone_tenants
    fabric_ports = [index for index, port in enumerate(held.ports) if port.role == "fabric"]
    gone = {(place.port, place.vid) for place in places if isinstance(place, Local)}
    gone |= {(port, tep) for port in fabric_ports for tep in teps}

    def stays(entry: MacTableEntry) -> bool:
        if entry.tenant in tenants or entry.place in places:
            return False
        match entry.place:
            case Remote(tep):
                return tep not in teps
            case Group(index):
                return index not in lists and entry.tenant not in turned
        return True

    staying_teps = {tep.index for tep in held.teps} - teps
    elsewhere = {
        (entry.tenant, entry.mac): entry
        for entry in desired.macs
        if isinstance(entry.place, Remote) and entry.place.tep in staying_teps and entry.tenant not in tenants
    }

    def meanwhile(entry: MacTableEntry) -> MacTableEntry | None:
        """Itself, or what it is to be, for a VM that moves to a TEP that is known already, and so is never cut off."""
        return entry if stays(entry) else elsewhere.get((entry.tenant, entry.mac))

    def remaining(entries: Iterable[ReplicaList]) -> Iterable[ReplicaList]:
        for entry in entries:
            members = {} if entry.index in lists else _without(entry.members, gone)
            yield entry if members == entry.members else ReplicaList(entry.index, members)

    result = replace(
        held,
        tenants=present,
        macs=tuple(filter(None, map(meanwhile, held.macs))),
        teps=tuple(tep for tep in held.teps if tep.index not in teps),
        lists=tuple(remaining(held.lists)),
        rules=tuple(rule for rule in held.rules if not tenants & {rule.source, rule.target}),
        known=tuple(known for known in held.known if known.tenant not in tenants),
    )
    return held if result == held else result
