"""One frame to many receivers (SPEC §5)."""

from collections.abc import Iterator
from dataclasses import dataclass

from opentep.host.tables import Local, Port, RemoteTep

from .tables import Tables
from .verdict import Flood, ToPlace

__all__ = ["Replicas", "fits", "replicate"]

_IPV6_HEADER = 40


def fits(inner: bytes, fabric_port: Port, tep: RemoteTep) -> bool:
    """Whether the frame encapsulated for ``tep`` is within the MTU of the fabric port."""
    return _IPV6_HEADER + tep.encapsulation.overhead + len(inner) <= fabric_port.mtu


@dataclass(frozen=True)
class Replicas:
    """The copies for one port; ``too_big`` if its MTU forbids to send to some of its receivers."""

    port: int
    copies: tuple[ToPlace, ...]
    too_big: bool = False


def replicate(
    tables: Tables, flood: Flood, inner: bytes, sender: Local | None, from_fabric: bool
) -> Iterator[Replicas]:
    """The copies per port, in port order.

    ``sender`` gets none: its place on an access port. A frame ``from_fabric`` never returns there.
    """
    senders = tables.names_of(sender) if sender else set()
    for number, port in enumerate(tables.config.ports):
        if not tables.is_fabric(number):
            receivers = (vid for vid in tables.vids(flood.list, number) if Local(number, vid) not in senders)
            yield Replicas(number, tuple(ToPlace(number, vid, flood.tenant) for vid in receivers))
            continue
        members = tables.receivers(flood.list | flood.rewrites, number)
        if from_fabric or not members:
            continue
        copies = tuple(
            ToPlace(number, member.tep, flood.tenant, flood.network, member.oui)
            for member in members
            if fits(inner, port, tables.tep(member.tep))
        )
        yield Replicas(number, copies, too_big=len(copies) < len(members))
