"""Forwarding of frames from fabric ports (SPEC §4, second list)."""

from opentep.gateware.headers import FUNCTION_BITS, GROUP_PREFIX_BITS, NEXT_HEADER_ICMPV6
from opentep.host.tables import Group, Local, Port, Remote, Tenant

from .access import group_list, is_link_local, unknown
from .control import answer
from .ecn import CongestionLost, combine
from .group import restore
from .octets import is_group
from .packet import EthernetHeader, Ipv6Header
from .reason import Reason
from .tables import Tables
from .tunnel import find_tunnel
from .verdict import Answer, Discard, Flood, ToPlace, Verdict

__all__ = ["decide_fabric"]

_GROUP_MAC = 0x3333
"""First octets of the MAC addresses of IPv6 groups (RFC 2464, 7)."""


def decide_fabric(tables: Tables, port: Port, frame: bytes, time: int) -> tuple[Verdict, bytes]:
    """Judge a well-received frame; returns the verdict and the inner frame that it is about (else empty)."""
    outer = EthernetHeader.parse(frame)
    packet = Ipv6Header.parse(frame)
    if packet is None:
        return Discard(Reason.NOT_MINE), b""
    if packet.next_header == NEXT_HEADER_ICMPV6:
        reply = answer(port.mac, tables.config.address, frame, packet)
        return (Discard(Reason.NOT_MINE) if reply is None else Answer(reply)), b""
    tunnelled = find_tunnel(packet)
    is_mine, function = _destination_of(tables, packet.dst)
    if _is_group_of(tables, packet.dst):
        is_mine, function = outer.dst >> 32 == _GROUP_MAC, None
    elif outer.dst != port.mac:
        is_mine = False
    if not is_mine or tunnelled is None:
        return Discard(Reason.NOT_MINE), b""
    sender = tables.tep_at(packet.src)
    if sender is None:
        return Discard(Reason.UNKNOWN_TEP), b""
    if tunnelled.inner is None:
        return Discard(Reason.MALFORMED), b""
    ethernet = EthernetHeader.parse(tunnelled.inner)
    if is_group(ethernet.src) or ethernet.src == 0:
        return Discard(Reason.BAD_SOURCE), b""
    if is_link_local(ethernet.dst):
        return Discard(Reason.LINK_LOCAL), b""
    try:
        inner = combine(tunnelled.inner, packet.traffic_class)
    except CongestionLost:
        return Discard(Reason.ECN), b""
    network = function if tunnelled.network is None else tunnelled.network
    return _decide_inner(tables, port, Remote(sender.index), inner, network, time)


def _is_group_of(tables: Tables, dst: int) -> bool:
    """Whether an outer destination is one of the underlay's groups for tunnel packets."""
    low = 128 - GROUP_PREFIX_BITS
    return dst >> 120 == 0xFF and dst >> low == tables.config.group_prefix >> low


def _destination_of(tables: Tables, dst: int) -> tuple[bool, int | None]:
    """Whether an outer destination is this TEP, and the virtual network if its function names one (RFC 8986, 3.1)."""
    own = tables.config.address
    if dst == own:
        return True, None
    same_locator = dst >> FUNCTION_BITS == own >> FUNCTION_BITS
    return tables.config.sid_function and same_locator, dst & (1 << FUNCTION_BITS) - 1


def _decide_inner(
    tables: Tables, port: Port, sender: Remote, inner: bytes, network: int | None, time: int
) -> tuple[Verdict, bytes]:
    header = EthernetHeader.parse(inner)
    tenant = tables.tenant_of(port, header.src) if network is None else tables.tenant_in(network)
    # The tenant that the destination names: a group address does if it was rewritten.
    named = tables.tenant_of(port, header.dst) if network is None else tenant
    rewritten = is_group(header.dst) and network is None and named is not None
    target = tenant if is_group(header.dst) and not rewritten else named
    if target is None:
        return Discard(Reason.UNKNOWN_TENANT), b""
    if tenant is None or not tables.allows(tenant, target):
        return Discard(Reason.POLICY), b""
    if not _source_allowed(tables, tenant, header.src):
        return Discard(Reason.SPOOFED), b""
    restored = restore(inner) if rewritten else inner
    if restored is None:
        return Discard(Reason.MALFORMED), b""
    verdict = _destination(tables, tenant, target, header.dst, rewritten)
    if tenant.learn_remote:
        tables.macs.learn(tenant.index, header.src, sender, time)
    return verdict, restored


def _source_allowed(tables: Tables, tenant: Tenant, src: int) -> bool:
    """A VM that is here does not send from elsewhere, unless it was only learned and may have moved."""
    entry = tables.macs.find(tenant.index, src)
    if entry is None or not isinstance(entry.place, Local):
        return True
    return not entry.static and tenant.learn_remote


def _destination(tables: Tables, tenant: Tenant, target: Tenant, dst: int, rewritten: bool) -> Verdict:
    if is_group(dst):
        # Of a tenant's own address the tenants that its rules allow have copies of their own.
        return Flood(group_list(tables, target, dst, target.flood_list | rewritten), target.index)
    entry = tables.macs.find(target.index, dst)
    if entry is None:
        return unknown(tenant, target)
    if isinstance(entry.place, Local):
        return ToPlace(entry.place.port, entry.place.vid, target.index)
    if isinstance(entry.place, Group):
        return Flood(entry.place.list, target.index)
    return Discard(Reason.SPLIT_HORIZON)
