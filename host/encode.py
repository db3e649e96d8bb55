"""From :mod:`opentep.host.tables` to the entries of registers and tables, and back.

Names of fields are those of the declaration (``gateware/registers.py``); nothing here knows an address.
"""

from collections.abc import Iterable
from typing import Any

from opentep.gateware.csr.codec import Codec
from opentep.gateware.egress.tables import MemberKind, OuterHeader, outer_header
from opentep.gateware.headers import ETHERTYPE_IPV6, GROUP_BIT
from opentep.gateware.ingress.checksum import advert_sum
from opentep.gateware.lookup.tables import RuleKey, TenantKey, network_mac
from opentep.gateware.params import Params
from opentep.gateware.suppression.tables import KnownKey
from opentep.host.tables import (
    KeyMask,
    KnownAddress,
    Port,
    RemoteTep,
    Retag,
    Rewritten,
    Rule,
    Storm,
    Tenant,
    TepTables,
    Way,
)

__all__ = [
    "NO_HEAD",
    "NO_OUTER",
    "NO_STORM",
    "NO_TENANT",
    "decode_known",
    "decode_members",
    "decode_outer",
    "decode_port",
    "decode_rule",
    "decode_tenant",
    "decode_ways",
    "encode_members",
    "encode_mode",
    "encode_outer",
    "encode_port",
    "encode_storm",
    "encode_tenant",
    "encode_ways",
    "fabric_number",
    "is_group",
    "is_outer",
    "known_key",
    "rule_key",
    "tenant_keys",
]

_TENANT_KEY = Codec(TenantKey)
_OUTER = Codec(OuterHeader)
_KNOWN_KEY = Codec(KnownKey)

NO_TENANT: dict[str, Any] = {"flags": {"valid": 0}, "network": 0}
"""Entry of ``tenant_entries`` where there is no tenant."""
NO_STORM: dict[str, int] = {"rate": 0, "burst": 0}
"""Entry of ``storm_limits`` of a tenant without limit."""
NO_OUTER: dict[str, int] = {}
"""Entry of ``outer_headers`` that is none: all zeros."""
NO_HEAD: dict[str, int] = {"valid": 0}
"""Entry of ``list_heads`` of an empty list."""


def fabric_number(params: Params, port: int) -> int:
    """Number of ``port`` among the fabric ports: the index of its outer header table."""
    if not params.is_fabric(port):
        raise ValueError(f"port {port} is an access port")
    return port - params.access_ports


def encode_port(port: Port, address: int) -> dict[str, Any]:
    """Registers of cluster ``port`` that the port's role uses."""
    mask = {"vid": port.key_mask.vid, "mac": port.key_mask.mac}
    if port.role == "access":
        retag = port.retag or Retag(0, 0)
        return {
            "key_mask": mask,
            "native_vid": port.native_vid,
            "retag": {"one": retag.before, "other": retag.after},
        }
    return {
        "key_mask": mask,
        "mac": port.mac,
        "mtu": port.mtu,
        "advert_sum": advert_sum(address, port.mac),
    }


def decode_port(index: int, params: Params, registers: dict[str, Any]) -> Port:
    """The reverse of :func:`encode_port`; the name is not stored."""
    mask = KeyMask(**registers["key_mask"])
    if params.is_fabric(index):
        return Port("", "fabric", mac=registers["mac"], mtu=registers["mtu"], key_mask=mask)
    pair = Retag(registers["retag"]["one"], registers["retag"]["other"])
    retag = None if pair.before == pair.after else pair
    return Port("", "access", native_vid=registers["native_vid"], key_mask=mask, retag=retag)


def encode_tenant(tenant: Tenant) -> dict[str, Any]:
    """Entry of ``tenant_entries``."""
    flags = {
        "valid": 1,
        "learn_source": int(tenant.learn_source),
        "learn_remote": int(tenant.learn_remote),
        "flood_unknown": int(tenant.unknown_list is not None),
        "unknown_list": tenant.unknown_list or 0,
        "flood_list": tenant.flood_list,
        "rewrites": int(tenant.rewrites),
        "suppresses": int(tenant.suppresses),
    }
    return {"flags": flags, "network": tenant.network}


def encode_storm(storm: Storm | None) -> dict[str, int]:
    """Entry of ``storm_limits``."""
    return NO_STORM if storm is None else {"rate": storm.rate, "burst": storm.burst}


def decode_tenant(index: int, entry: dict[str, Any], storm: dict[str, int], keys: Iterable[int]) -> Tenant:
    """The reverse of :func:`encode_tenant` and :func:`encode_storm`, with the tenant's keys in the tenant table; the
    name is not stored."""
    fields = [_TENANT_KEY.decode(key) for key in keys]
    macs = [field["mac"] for field in fields if not field["mac"] >> GROUP_BIT & 1]
    own_groups = [field for field in fields if field["mac"] >> GROUP_BIT & 1 and not field["mac"] & 0xFFFFFF]
    flags = entry["flags"]
    return Tenant(
        index=index,
        name="",
        ouis=tuple(sorted({mac >> 24 for mac in macs if mac})),
        vlan=max((field["vid"] for field in fields), default=0),
        block=max((mac & 0xFFFFFF for mac in macs), default=0),
        learn_source=bool(flags["learn_source"]),
        learn_remote=bool(flags["learn_remote"]),
        unknown_list=flags["unknown_list"] if flags["flood_unknown"] else None,
        flood_list=flags["flood_list"],
        rewrites=bool(flags["rewrites"]),
        group_key=bool(own_groups),
        suppresses=bool(flags["suppresses"]),
        network=entry["network"],
        storm=Storm(**storm) if storm["burst"] else None,
    )


def tenant_keys(tenant: Tenant, masks: Iterable[KeyMask]) -> set[int]:
    """Keys of the tenant table, for ports with ``masks`` and for the tenant's network."""
    keys = {key for mask in masks for key in tenant.keys(mask)}
    if tenant.network:
        keys.add((network_mac(tenant.network), 0))
    return {_TENANT_KEY.encode({"mac": mac, "vid": vid}) for mac, vid in keys}


def encode_outer(tep: RemoteTep, way: Way, tables: TepTables) -> dict[str, Any]:
    """Entry of ``outer_headers`` of the fabric port of one of the ways to ``tep``."""
    bits = outer_header(
        next_hop=way.next_hop,
        mac=tables.ports[way.port].mac,
        source=tables.address,
        destination=tep.address,
        hop_limit=tep.hop_limit,
        encapsulation=tep.encapsulation,
        dscp=tep.dscp or 0,
    )
    return _OUTER.decode(bits)


def encode_mode(tep: RemoteTep) -> dict[str, Any]:
    """Entry of ``tep_modes`` of ``tep``."""
    return {
        "encapsulation": tep.encapsulation,
        "sid_function": int(tep.sid_function),
        "dscp_fixed": int(tep.dscp is not None),
    }


def _integer(octets: list[int]) -> int:
    return int.from_bytes(bytes(octets), "big")


def is_outer(header: dict[str, Any]) -> bool:
    """Whether an entry of ``outer_headers`` is an outer header; others were never written, or taken back."""
    return _integer(header["ethertype"]) == ETHERTYPE_IPV6


def is_group(header: dict[str, Any]) -> bool:
    """Whether an outer header leads to a group of TEPs."""
    return is_outer(header) and header["destination_address"][0] == 0xFF


def encode_ways(ports: Iterable[int], params: Params) -> list[int]:
    """Entry of ``tep_ways``: what the port of every bucket is among the fabric ports."""
    return [fabric_number(params, port) for port in ports]


def decode_ways(entry: Iterable[int], params: Params) -> tuple[int, ...]:
    """The reverse of :func:`encode_ways`."""
    return tuple(params.access_ports + number for number in entry)


def decode_outer(
    index: int, headers: dict[int, dict[str, Any]], mode: dict[str, Any], sources: tuple[int, ...]
) -> RemoteTep:
    """The reverse of :func:`encode_outer` and :func:`encode_mode`; ``headers`` by fabric port, that of group frames
    first; ``sources`` come from the source table, the name is not stored."""
    header = next(iter(headers.values()))
    dscp = _integer(header["version_class_flow"]) >> 22 & 0x3F
    return RemoteTep(
        index=index,
        name="",
        address=_integer(header["destination_address"]),
        sources=sources,
        ways=tuple(Way(port, _integer(each["destination"])) for port, each in headers.items()),
        hop_limit=header["hop_limit"],
        encapsulation=mode["encapsulation"],
        sid_function=bool(mode["sid_function"]),
        dscp=dscp if mode["dscp_fixed"] else None,
    )


def encode_members(members: tuple[int | Rewritten, ...]) -> list[dict[str, Any]]:
    """Consecutive entries of ``list_members`` for one list."""
    entries: list[tuple[int, Any]] = []
    oui = None
    for member in members:
        if isinstance(member, Rewritten):
            if member.oui != oui:
                oui = member.oui
                entries += [(oui >> 12, MemberKind.OUI_HIGH), (oui & 0xFFF, MemberKind.OUI_LOW)]
            entries.append((member.tep, MemberKind.TARGET))
        else:
            entries.append((member, MemberKind.TARGET))
    last = len(entries) - 1
    return [
        {"target": target, "last": int(position == last), "kind": kind}
        for position, (target, kind) in enumerate(entries)
    ]


def decode_members(entries: Iterable[dict[str, Any]]) -> tuple[int | Rewritten, ...]:
    """The reverse of :func:`encode_members`."""
    members: list[int | Rewritten] = []
    oui = 0
    rewrites = False
    for entry in entries:
        match entry["kind"]:
            case MemberKind.OUI_HIGH:
                oui = entry["target"] << 12 | oui & 0xFFF
            case MemberKind.OUI_LOW:
                oui, rewrites = oui & 0xFFF000 | entry["target"], True
            case _:
                members.append(Rewritten(oui, entry["target"]) if rewrites else entry["target"])
    return tuple(members)


def rule_key(rule: Rule, params: Params) -> int:
    """Key of the rule table."""
    return Codec(RuleKey(params)).encode({"source": rule.source, "target": rule.target})


def decode_rule(key: int, params: Params) -> Rule:
    """The reverse of :func:`rule_key`."""
    return Rule(**Codec(RuleKey(params)).decode(key))


def known_key(known: KnownAddress) -> int:
    """Key of the table of known addresses."""
    fields = {"address": known.address, "tenant": known.tenant, "is_ipv6": int(known.version == 6)}
    return _KNOWN_KEY.encode(fields)


def decode_known(key: int, mac: int) -> KnownAddress:
    """The reverse of :func:`known_key`, with the value."""
    fields = _KNOWN_KEY.decode(key)
    return KnownAddress(fields["tenant"], 6 if fields["is_ipv6"] else 4, fields["address"], mac)
