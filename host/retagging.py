"""The way of a VM to its VLAN ID, on which nobody else gets one of its frames, and it loses none if it had another one.

Its vSwitch changes the tag at an instant that the TEP does not see. So for a while the TEP takes both VLAN IDs as the
VM's and sends with both (make before break); only when the old one is drained may another VM have it. And since a TEP
does not know whom a vSwitch still has at a VLAN ID, nobody gets one before the vSwitch has been set in this very run.
Everything else follows from what a TEP holds and what it should hold: whoever is interrupted begins here again.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from opentep.host.tables import Local, MacTableEntry, ReplicaList, Retag, TepTables

__all__ = ["Retagged", "Stage", "next_stage"]


@dataclass(frozen=True)
class Retagged:
    """Of an attempt to set vSwitches as a stage has them."""

    stuck: Collection[str] = ()
    """Ports whose vSwitch could not be set."""
    let_go: bool = False
    """Something at a vSwitch has another VLAN ID than before, or none: for a moment it may still get frames of that."""


@dataclass(frozen=True)
class Stage:
    """A state in between, in which some VMs have two VLAN IDs, at most one per port."""

    tables: TepTables
    _vlans: Mapping[Local, int | None]
    _late: Collection[Local]
    """Places of VMs that the vSwitch may have already, and the TEP not yet."""

    def afterwards(self, stuck: Collection[str] = ()) -> TepTables:
        """The same when these VMs have only the one that is to stay, but for those at the ports ``stuck``, whose
        vSwitch has not changed it."""
        ports = (port if port.name in stuck else replace(port, retag=None) for port in self.tables.ports)
        return replace(self.tables, ports=tuple(ports))

    @property
    def rests(self) -> bool:
        """Whether a VLAN ID becomes free that another VM may get next."""
        return bool(self._vlans) or any(port.retag is not None for port in self.tables.ports)

    def goes_on(self, stuck: Collection[str]) -> bool:
        """Whether anything is left to do at ports other than ``stuck``."""
        return any(self.concerns(port.name) for port in self.tables.ports if port.name not in stuck)

    def concerns(self, port: str) -> bool:
        """Whether VMs at ``port`` have other VLAN IDs than in the end, or are not there yet."""
        number = self._number(port)
        waits = any(place.port == number for place in (*self._vlans, *self._late))
        return waits or self.tables.ports[number].retag is not None

    def vlan(self, port: str, vid: int) -> int | None:
        """What the vSwitch at ``port`` is to give the VM that is to have ``vid`` in the end; ``None``: nothing, it has
        to wait for another VM to leave that."""
        return self._vlans.get(Local(self._number(port), vid), vid)

    def _number(self, port: str) -> int:
        return [each.name for each in self.tables.ports].index(port)


def next_stage(held: TepTables, desired: TepTables, ready: Collection[str]) -> Stage | None:
    """What comes first on the way from ``held`` to ``desired``; ``None``: the end.

    ``ready``: ports whose vSwitch was set in the stage before, so that nobody has a VLAN ID there who should not.

    Who comes to a place that another one leaves has to wait for it. Of VMs that exchange their VLAN IDs one has to let
    go: it is cut off until the others have changed.
    """
    here = {(entry.tenant, entry.mac): entry.place for entry in held.macs if isinstance(entry.place, Local)}
    there = {
        (entry.tenant, entry.mac): entry.place for entry in desired.macs if isinstance(entry.place, Local)
    }
    gone = {place for vm, place in here.items() if there.get(vm) != place}
    leaving = {
        after: here[vm]
        for vm, after in there.items()
        if _stays_at_port(here.get(vm), after) and here[vm] != after
    }
    open_ports = {number for number, port in enumerate(desired.ports) if port.name in ready}
    pairs = {index: port.retag for index, port in enumerate(held.ports) if port.retag is not None}
    for after, before in leaving.items():
        if after.port in open_ports and after.port not in pairs and after not in here.values():
            pairs[after.port] = Retag(before.vid, after.vid)
    coming = {after for vm, after in there.items() if not _stays_at_port(here.get(vm), after)}
    late = {after for after in coming if after.port not in open_ports}
    if not pairs and not leaving and not late and gone.isdisjoint(coming):
        return None
    stay = {
        after: before
        for after, before in leaving.items()
        if pairs.get(after.port) not in (Retag(before.vid, after.vid), Retag(after.vid, before.vid))
    }
    both = {Local(port, vid) for port, pair in pairs.items() for vid in (pair.before, pair.after)}
    vlans: dict[Local, int | None] = {after: before.vid for after, before in stay.items()}
    vlans |= dict.fromkeys(coming & (both | gone))
    for port in {after.port for after in stay} - pairs.keys():
        waiting = {after: before for after, before in stay.items() if after.port == port}
        if waiting.keys() <= set(waiting.values()):
            vlans[min(waiting, key=lambda place: place.vid)] = None
    placed = dict.fromkeys(late) | vlans
    return Stage(
        replace(
            desired,
            ports=tuple(replace(port, retag=pairs.get(index)) for index, port in enumerate(desired.ports)),
            macs=tuple(_placed(desired.macs, placed)),
            lists=tuple(_listed(desired, entry, placed) for entry in desired.lists),
        ),
        vlans,
        late,
    )


def _stays_at_port(before: Local | None, after: Local) -> bool:
    return before is not None and before.port == after.port


def _placed(macs: tuple[MacTableEntry, ...], vlans: Mapping[Local, int | None]) -> Iterator[MacTableEntry]:
    for entry in macs:
        if not isinstance(entry.place, Local) or entry.place not in vlans:
            yield entry
            continue
        vid = vlans[entry.place]
        if vid is not None:
            yield replace(entry, place=Local(entry.place.port, vid))


def _listed(desired: TepTables, entry: ReplicaList, vlans: Mapping[Local, int | None]) -> ReplicaList:
    members = {}
    for port, targets in entry.members.items():
        if desired.ports[port].role == "access":
            vids = [vlans.get(Local(port, vid), vid) for vid in targets if isinstance(vid, int)]
            targets = tuple(sorted(vid for vid in vids if vid is not None))
        members[port] = targets
    return ReplicaList(entry.index, {port: targets for port, targets in members.items() if targets})
