"""Differences between what a TEP holds and what it should hold, in words."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from opentep.gateware.headers import GROUP_PREFIX_BITS
from opentep.host.fabric.addresses import format_ip, format_ipv6, format_mac, format_oui
from opentep.host.tables import (
    Group,
    Local,
    MacTableEntry,
    Port,
    Remote,
    RemoteTep,
    ReplicaList,
    Rewritten,
    Storm,
    Tenant,
    TepTables,
)

__all__ = ["Change", "Names", "diff", "place_numbers"]


@dataclass(frozen=True)
class Change:
    """One difference: ``before`` is empty for what is added, ``after`` for what is removed."""

    kind: str
    name: str
    before: str
    after: str

    @property
    def action(self) -> str:
        return "change" if self.before and self.after else "add" if self.after else "remove"

    def as_dict(self) -> dict[str, str]:
        return {
            "action": self.action,
            "kind": self.kind,
            "name": self.name,
            "before": self.before,
            "after": self.after,
        }


class Names:
    """Names for the numbers in tables, as far as the document knows them."""

    def __init__(self, tables: TepTables):
        self._tenants = {tenant.index: tenant.name for tenant in tables.tenants}
        self._teps = {tep.index: tep.name for tep in tables.teps}
        self._ports = [port.name for port in tables.ports]

    def tenant(self, index: int) -> str:
        return self._tenants.get(index) or f"tenant {index}"

    def tep(self, index: int) -> str:
        return self._teps.get(index) or f"TEP {index}"

    def port(self, index: int) -> str:
        return (self._ports[index] if index < len(self._ports) else "") or f"port {index}"

    def place(self, place: Local | Remote | Group) -> str:
        match place:
            case Local(port, vid):
                return f"{self.port(port)} VLAN {vid}"
            case Remote(tep):
                return f"behind {self.tep(tep)}"
            case Group(index):
                return f"list {index}"

    def members(self, entry: ReplicaList, is_fabric: Callable[[int], bool]) -> str:
        parts = []
        for port, members in sorted(entry.members.items()):
            if members:
                shown = ", ".join(
                    self.receiver(member) if is_fabric(port) else str(member) for member in members
                )
                parts.append(f"{self.port(port)}: {shown}")
        return "; ".join(parts) or "empty"

    def receiver(self, member: int | Rewritten) -> str:
        """A member on a fabric port."""
        if isinstance(member, Rewritten):
            return f"{self.tep(member.tep)} (as {format_oui(member.oui)})"
        return self.tep(member)


def place_numbers(place: Local | Remote | Group) -> dict[str, int]:
    """A place for programs."""
    match place:
        case Local(port, vid):
            return {"port": port, "vlan": vid}
        case Remote(tep):
            return {"tep": tep}
        case Group(index):
            return {"list": index}


def _storm(storm: Storm) -> str:
    return f"storm control {storm.rate} frames/s, {storm.burst} at once"


def _tenant(tenant: Tenant) -> str:
    policies = [
        f"source {'learn' if tenant.learn_source else 'strict'}",
        f"remote {'learn' if tenant.learn_remote else 'static'}",
        "unknown drop" if tenant.unknown_list is None else f"unknown to list {tenant.unknown_list}",
        f"list {tenant.flood_list}",
        *(["groups rewritten"] if tenant.rewrites else []),
        *(["own groups accepted"] if tenant.group_key else []),
        *([_storm(tenant.storm)] if tenant.storm else []),
        *(["ARP and ND suppressed"] if tenant.suppresses else []),
    ]
    keys = []
    if tenant.ouis:
        keys.append(f"OUI {', '.join(map(format_oui, sorted(tenant.ouis)))}")
    if tenant.block:
        keys.append(f"block {format_mac(tenant.block)}")
    if tenant.vlan:
        keys.append(f"VLAN {tenant.vlan:#05x}")
    if tenant.network:
        keys.append(f"network {tenant.network}")
    return f"{', '.join(keys)}; {', '.join(policies)}"


def _tep(tep: RemoteTep, names: Names) -> str:
    sources = ", ".join(map(format_ipv6, sorted(tep.sources))) or "nobody"
    ways = " and ".join(
        f"on {names.port(way.port)} via "
        + (format_mac(way.next_hop) if way.next_hop else f"{format_ipv6(way.router)} (to be found)")
        for way in tep.ways
    )
    return (
        f"{format_ipv6(tep.address)} (from {sources}) {ways},"
        f" {tep.encapsulation.name.lower()}, hop limit {tep.hop_limit},"
        f" DSCP {'copied' if tep.dscp is None else tep.dscp}{', SID function' if tep.sid_function else ''}"
    )


def _port(port: Port) -> str:
    key = f"tenants by MAC {format_mac(port.key_mask.mac)}, VLAN {port.key_mask.vid:#05x}"
    if port.role == "fabric":
        return f"MAC {format_mac(port.mac)}, MTU {port.mtu}, {key}"
    retag = f", VLAN {port.retag.before} is VLAN {port.retag.after}" if port.retag else ""
    return f"{f'native VLAN {port.native_vid}' if port.native_vid else 'tagged frames only'}, {key}{retag}"


def _compare(
    kind: str,
    held: Mapping[Any, Any],
    desired: Mapping[Any, Any],
    name: Callable[[Any], str],
    text: Callable[[Any], str],
) -> Iterator[Change]:
    for key in sorted(held.keys() | desired.keys()):
        before = text(held[key]) if key in held else ""
        after = text(desired[key]) if key in desired else ""
        if before != after:
            yield Change(kind, name(key), before, after)


def _settled(tables: TepTables) -> dict[int, RemoteTep]:
    """Remote TEPs by index. Which of its ways is the first only what refers to a TEP tells, and asks."""
    referred = tables.referred_teps
    return {
        tep.index: tep
        if tep.index in referred
        else replace(tep, ways=tuple(sorted(tep.ways, key=lambda way: way.port)))
        for tep in tables.teps
    }


def diff(held: TepTables, desired: TepTables) -> list[Change]:
    """What must change in a TEP that holds ``held`` to get to ``desired``. Names of ``desired`` are used."""
    new = Names(desired)

    def is_fabric(port: int) -> bool:
        return desired.ports[port].role == "fabric"

    def macs(tables: TepTables) -> dict[tuple[int, int], MacTableEntry]:
        return {(entry.tenant, entry.mac): entry for entry in tables.macs}

    def lists(tables: TepTables) -> dict[int, ReplicaList]:
        return {entry.index: entry for entry in tables.lists if any(entry.members.values())}

    changes: list[Change] = []
    if held.address != desired.address:
        before = format_ipv6(held.address) if held.address else ""
        changes.append(Change("address", "own address", before, format_ipv6(desired.address)))
    if held.sid_function != desired.sid_function:
        before, after = ("a network" if t.sid_function else "none" for t in (held, desired))
        changes.append(Change("address", "SID function", before, after))
    if held.group_prefix != desired.group_prefix:
        before, after = (
            f"{format_ipv6(t.group_prefix)}/{GROUP_PREFIX_BITS}" if t.group_prefix else "none"
            for t in (held, desired)
        )
        changes.append(Change("address", "underlay groups", before, after))
    if held.age_seconds != desired.age_seconds:
        changes.append(Change("learning", "lifetime", f"{held.age_seconds} s", f"{desired.age_seconds} s"))
    if held.learned_limit != desired.learned_limit:
        before, after = (f"{t.learned_limit} addresses" for t in (held, desired))
        changes.append(Change("learning", "most per tenant", before, after))
    changes += _compare(
        "port",
        dict(enumerate(held.ports)),
        dict(enumerate(desired.ports)),
        new.port,
        _port,
    )
    changes += _compare(
        "tenant",
        {t.index: t for t in held.tenants},
        {t.index: t for t in desired.tenants},
        new.tenant,
        _tenant,
    )
    changes += _compare(
        "rule",
        dict.fromkeys(held.rules, "allowed"),
        dict.fromkeys(desired.rules, "allowed"),
        lambda rule: f"{new.tenant(rule.source)} to {new.tenant(rule.target)}",
        str,
    )
    changes += _compare(
        "tep",
        _settled(held),
        _settled(desired),
        new.tep,
        lambda tep: _tep(tep, new),
    )
    changes += _compare(
        "mac",
        macs(held),
        macs(desired),
        lambda key: f"{format_mac(key[1])} of {new.tenant(key[0])}",
        lambda entry: new.place(entry.place),
    )
    changes += _compare(
        "address",
        {(k.tenant, k.version, k.address): k for k in held.known},
        {(k.tenant, k.version, k.address): k for k in desired.known},
        lambda key: f"{format_ip(*key[1:])} of {new.tenant(key[0])}",
        lambda known: format_mac(known.mac),
    )
    changes += _compare(
        "list",
        lists(held),
        lists(desired),
        lambda index: f"list {index}",
        lambda entry: new.members(entry, is_fabric),
    )
    return changes
