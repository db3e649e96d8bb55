"""What a TEP knows: tenants, places of MAC addresses (static and learned), remote TEPs, replica lists."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

from opentep.gateware.lookup.tables import masked_key
from opentep.gateware.lookup.ways import BUCKETS, bucket
from opentep.gateware.tables.mac_entry import MacChange
from opentep.host.events import AGED, LEARNED, MOVED, LearningEvent
from opentep.host.tables import Group, Local, Port, Remote, RemoteTep, Rewritten, Rule, Tenant, TepTables
from opentep.host.ways import share

__all__ = ["Entry", "MacTable", "Tables"]

Place = Local | Remote | Group


@dataclass
class Entry:
    """Where a MAC address is."""

    place: Place
    static: bool


class MacTable:
    """(tenant, MAC) → place. Static entries never move; learned ones follow their source and age.

    The table is unbounded: unlike the gateware's, it never refuses an address for want of room.
    """

    def __init__(self, lifetime: int, limit: int):
        """``lifetime`` of learned entries without traffic, in nanoseconds; ``limit`` of them per tenant."""
        self.lifetime = lifetime
        self.limit = limit
        self.refused = 0
        """Addresses that were not learned for the limit."""
        self.changes: Counter[MacChange] = Counter()
        """How many there were of each."""
        self._untold: list[LearningEvent] = []
        self._entries: dict[tuple[int, int], Entry] = {}
        self._learned: Counter[int] = Counter()
        """Entries by tenant."""
        self._seen: dict[tuple[int, int], int] = {}
        """Time of the last frame from each learned address, the longest silent one first."""

    def add_static(self, tenant: int, mac: int, place: Place) -> None:
        if (tenant, mac) in self._entries:
            raise ValueError(f"tenant {tenant} has two entries for MAC {mac:012x}")
        self._entries[tenant, mac] = Entry(place, static=True)

    def find(self, tenant: int, mac: int) -> Entry | None:
        return self._entries.get((tenant, mac))

    def learn(self, tenant: int, mac: int, place: Local | Remote, time: int) -> None:
        """Insert, move or refresh the learned entry; a static one stays as it is."""
        key = (tenant, mac)
        entry = self._entries.get(key)
        if entry is None and self._learned[tenant] >= self.limit:
            self.refused += 1
            return
        if entry is None:
            self._learned[tenant] += 1
            self._entries[key] = Entry(place, static=False)
            self._tell(LEARNED, key, place, time)
        elif entry.static:
            return
        elif entry.place != place:
            entry.place = place
            self._tell(MOVED, key, place, time)
        self._seen.pop(key, None)
        self._seen[key] = time

    def age(self, time: int) -> None:
        """Remove what was learned and not heard of for the lifetime."""
        silent = takewhile(lambda item: time - item[1] >= self.lifetime, self._seen.items())
        for key in [key for key, _ in silent]:
            seen, entry = self._seen.pop(key), self._entries.pop(key)
            self._learned[key[0]] -= 1
            self._tell(AGED, key, entry.place, seen + self.lifetime)

    def events(self) -> list[LearningEvent]:
        """What became of learned entries since the last call, in order."""
        told, self._untold = self._untold, []
        return told

    def _tell(self, change: MacChange, key: tuple[int, int], place: Place, time: int) -> None:
        self.changes[change] += 1
        self._untold.append(LearningEvent(change, *key, place, time))


class Tables:
    """Lookups over one :class:`~opentep.host.tables.TepTables`."""

    def __init__(self, config: TepTables, ways: Mapping[int, tuple[int, ...]]):
        self.config = config
        self.macs = MacTable(config.age_seconds * 1_000_000_000, config.learned_limit)
        for static in config.macs:
            self.macs.add_static(static.tenant, static.mac, static.place)
        masks = config.key_masks
        self._tenants = {
            key: tenant for tenant in config.tenants for mask in masks for key in tenant.keys(mask)
        }
        self._networks = {tenant.network: tenant for tenant in config.tenants if tenant.network}
        self._teps = {tep.index: tep for tep in config.teps}
        # A core that knows nothing yet has the first fabric port in every bucket.
        fabric = [port for port in range(len(config.ports)) if self.is_fabric(port)]
        unset = tuple(fabric[:1]) * BUCKETS
        self.ways = {
            tep.index: share([way.port for way in tep.ways], ways.get(tep.index, unset))
            for tep in config.teps
        }
        """Fabric port per bucket and remote TEP."""
        self._sources = {source: tep for tep in config.teps for source in tep.sources}
        self._known = {(known.tenant, known.version, known.address): known.mac for known in config.known}
        self._lists = {entry.index: entry for entry in config.lists}

    def tenant_of(self, port: Port, mac: int, vid: int = 0) -> Tenant | None:
        """The tenant present here that ``mac`` of a frame in VLAN ``vid`` belongs to, by what ``port`` goes by."""
        return self._tenants.get(masked_key(port.key_mask, mac=mac, vid=vid))

    def tenant_in(self, network: int) -> Tenant | None:
        """The tenant present here whose virtual network it is (VNI or VSID)."""
        return self._networks.get(network)

    def allows(self, source: Tenant, target: Tenant) -> bool:
        """Whether VMs of ``source`` may send to those of ``target``: the same tenant, or by a rule."""
        return source == target or Rule(source.index, target.index) in self.config.rules

    def mac_of(self, tenant: Tenant, version: int, address: int) -> int | None:
        """MAC address of the VM of ``tenant`` with an IPv4 or IPv6 address that is answered for."""
        return self._known.get((tenant.index, version, address))

    def names_of(self, place: Local) -> set[Local]:
        """``place`` and, if its VM has two VLAN IDs, the other one."""
        retag = self.config.ports[place.port].retag
        return {place} if retag is None else {place, Local(place.port, retag.other(place.vid))}

    def tep(self, index: int) -> RemoteTep:
        return self._teps[index]

    def way(self, tep: RemoteTep, flow: int) -> int:
        """Fabric port that frames of the flow with this label take to ``tep``."""
        return self.ways[tep.index][bucket(flow)]

    def tep_at(self, source: int) -> RemoteTep | None:
        """The remote TEP that sends from IPv6 address ``source``."""
        return self._sources.get(source)

    def vids(self, list_index: int, port: int) -> tuple[int, ...]:
        """VLAN IDs of a replica list on access port ``port``."""
        return tuple(member for member in self._members(list_index, port) if isinstance(member, int))

    def receivers(self, list_index: int, port: int) -> tuple[Rewritten, ...]:
        """Remote TEPs of a replica list on fabric port ``port``; with OUI 0 those that get the frame as it is."""
        members = self._members(list_index, port)
        return tuple(Rewritten(0, member) if isinstance(member, int) else member for member in members)

    def _members(self, list_index: int, port: int) -> tuple[int | Rewritten, ...]:
        replicas = self._lists.get(list_index)
        return () if replicas is None else tuple(replicas.members.get(port, ()))

    def is_fabric(self, port: int) -> bool:
        return self.config.ports[port].role == "fabric"
