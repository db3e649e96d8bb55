"""Forwarding of frames from access ports (SPEC §4, first list)."""

from opentep.host.tables import Group, Local, Tenant

from .flow import flow_label
from .group import restorable
from .octets import is_group
from .packet import AccessFrame
from .reason import Reason
from .replicate import fits
from .suppression import answer
from .tables import Tables
from .verdict import Discard, Flood, Suppress, ToPlace, Verdict

__all__ = ["decide_access", "group_list", "is_link_local", "unknown"]


def is_link_local(mac: int) -> bool:
    """01:80:c2:00:00:00 to 0f, which bridges never forward (IEEE 802.1Q, 8.6.3)."""
    return mac >> 4 == 0x0180C200000


def decide_access(tables: Tables, port: int, frame: AccessFrame, time: int) -> Verdict:
    """Judge a well-received frame with a VLAN; learns or refreshes its source if the tenant wants that. What goes to
    many is still subject to storm control."""
    if is_link_local(frame.dst):
        return Discard(Reason.LINK_LOCAL)
    if is_group(frame.src) or frame.src == 0:
        return Discard(Reason.BAD_SOURCE)
    tenant = tables.tenant_of(tables.config.ports[port], frame.src, frame.vid)
    if tenant is None:
        return Discard(Reason.UNKNOWN_TENANT)
    here = Local(port, frame.vid)
    if not _source_allowed(tables, tenant, frame.src, here):
        return Discard(Reason.SPOOFED)
    verdict = _destination(tables, tenant, frame, here)
    # After the verdict, so that a frame never meets the entry it makes. Whatever became of the frame,
    # its source was found to be in order.
    if tenant.learn_source:
        tables.macs.learn(tenant.index, frame.src, here, time)
    return verdict


def _source_allowed(tables: Tables, tenant: Tenant, src: int, here: Local) -> bool:
    """Source guard: the sender must be where the table says, or be learnable."""
    entry = tables.macs.find(tenant.index, src)
    is_here = entry is not None and entry.place in tables.names_of(here)
    if entry is not None and (entry.static or is_here):
        return is_here
    return tenant.learn_source


def unknown(tenant: Tenant, target: Tenant) -> Verdict:
    """A frame of ``tenant`` for an address of ``target`` that has no entry: never flooded in another tenant."""
    if tenant == target and tenant.unknown_list is not None:
        return Flood(tenant.unknown_list, tenant.index, tenant.network)
    return Discard(Reason.UNKNOWN_UNICAST)


def group_list(tables: Tables, tenant: Tenant, mac: int, everyone: int) -> int:
    """Replica list of a group address of ``tenant``: its own, or that of all."""
    entry = tables.macs.find(tenant.index, mac)
    return entry.place.list if entry is not None and isinstance(entry.place, Group) else everyone


def _destination(tables: Tables, tenant: Tenant, frame: AccessFrame, here: Local) -> Verdict:
    if is_group(frame.dst):
        reply = answer(tables, tenant, frame)
        if reply is not None:
            return Suppress(ToPlace(here.port, here.vid, tenant.index), reply)
        members = group_list(tables, tenant, frame.dst, tenant.flood_list)
        rewrites = tenant.rewrites and restorable(frame.inner)
        return Flood(members, tenant.index, tenant.network, rewrites)
    target = tables.tenant_of(tables.config.ports[here.port], frame.dst, frame.vid)
    if target is None or not tables.allows(tenant, target):
        return Discard(Reason.POLICY)
    entry = tables.macs.find(target.index, frame.dst)
    if entry is None:
        return unknown(tenant, target)
    if isinstance(entry.place, Local):
        if entry.place in tables.names_of(here):
            return Discard(Reason.REFLECTED)
        return ToPlace(entry.place.port, entry.place.vid, target.index)
    if isinstance(entry.place, Group):
        return Flood(entry.place.list, target.index, target.network)
    tep = tables.tep(entry.place.tep)
    port = tables.way(tep, flow_label(frame.inner))
    if not fits(frame.inner, tables.config.ports[port], tep):
        return Discard(Reason.TOO_BIG)
    return ToPlace(port, tep.index, target.index, target.network)
