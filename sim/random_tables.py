"""Random, valid configurations of one TEP."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import permutations
from operator import or_

from opentep.gateware.headers import Encapsulation
from opentep.gateware.params import Params
from opentep.gateware.suppression.tables import known_room
from opentep.host.encode import encode_members
from opentep.host.groups import in_order, low_octets
from opentep.host.tables import (
    OUI_KEY,
    Group,
    KeyMask,
    KnownAddress,
    Local,
    MacTableEntry,
    Port,
    Remote,
    RemoteTep,
    ReplicaList,
    Retag,
    Rewritten,
    Rule,
    Storm,
    Tenant,
    TepTables,
    Way,
)

__all__ = ["Learning", "random_tables"]

_BROADCAST = 0xFFFFFFFFFFFF
_VLAN_PART, _VLAN_WHOLE = 0xF00, 0xFFF
"""What tells tenants apart on ports that go by the VLAN ID: with the whole of it, all VMs of one are in one VLAN."""
_NO_VLAN = (0x000, 0xFFF)


@dataclass(frozen=True)
class Learning:
    """Whether tenants may learn. Without, what a TEP does to a frame does not depend on the frames before."""

    source: bool = False
    remote: bool = False


def _some(rng: random.Random, low: int, high: int, room: int) -> int:
    """A count from ``low`` to ``high``, but no more than fit in a table with ``room`` entries."""
    return rng.randint(min(low, room), min(high, room))


def _random_mac(rng: random.Random) -> int:
    """Universally administered, individual."""
    return rng.getrandbits(48) & ~(0x03 << 40) | 0x04 << 40


def random_tables(
    rng: random.Random, params: Params, learning: Learning | None = None, *, storm: bool = False
) -> TepTables:
    """A configuration that a TEP built with ``params`` can hold.

    With ``learning`` each tenant draws its own policies, else no tenant learns. With ``storm`` most have limits, as far
    as the TEP has storm control: then it matters when frames come. Indices are drawn from the whole range of each
    table, so that every address bit is used.
    """
    address = 0x20010DB8 << 96 | rng.getrandbits(64)
    beyond = rng.choice((0, 0, 0xF00000, 0x000FFF))
    ports = tuple(_beyond_oui(port, beyond) for port in _ports(rng, params))
    group_prefix = (0xFF3E << 112 | rng.getrandbits(80) << 32) if rng.random() < 0.5 else 0
    teps = tuple(_teps(rng, params, address, group_prefix))
    tenants = _tenants(rng, params, learning, {port.key_mask.vid for port in ports} - {0})
    lists = _Lists(rng, params)
    macs: list[MacTableEntry] = []
    # Each tenant has up to four lists and, per member of these, up to two MAC entries; what the lists for rewritten
    # frames have room for they take beside that.
    room = max(1, min(params.members // 4, params.macs // 8) // len(tenants))
    vids = {port: _vids(rng, ports[port], tenants) for port in range(params.access_ports)}
    if beyond:
        tenants = [replace(tenant, block=rng.getrandbits(24) & beyond) for tenant in tenants]
    else:
        tenants = list(_with_groups(rng, tenants, params.lists))
    result = []
    for tenant in tenants:
        places = _vm_places(rng, ports, tenant, vids, min(room, 6))
        remote = rng.sample(teps, min(len(teps), rng.randint(0, min(room, 4))))
        paired = tenant.rewrites or tenant.group_key
        everyone = lists.add(_members(rng, places, remote, whole=True), paired)
        taken: set[int] = set()
        everywhere: list[Local | Remote] = [*places]
        everywhere += [place for place in places if ports[place.port].key_mask.vid == _VLAN_WHOLE]
        everywhere += [Remote(tep.index) for tep in remote if tep.sources for _ in range(rng.randint(1, 2))]
        for place in everywhere:
            macs.append(MacTableEntry(tenant.index, _new_mac(rng, tenant, beyond, taken), place))
        groups = [_new_group(rng, taken) for _ in range(rng.randint(0, 2))]
        for mac in groups:
            group = lists.add(_members(rng, places, remote, whole=False), tenant.rewrites)
            macs.append(MacTableEntry(tenant.index, mac, Group(group)))
        if tenant.group_key:
            for low in {low for mac in groups[:1] for low in low_octets(mac)}:
                own = lists.add(_members(rng, places, [], whole=False), False)
                macs.append(MacTableEntry(tenant.index, tenant.group_oui << 24 | low, Group(own)))
        unknown = None
        if rng.random() < 0.5:
            fewer = _members(rng, places, remote, whole=False)
            unknown = everyone if rng.random() < 0.5 else lists.add(fewer, False)
        result.append(replace(tenant, flood_list=everyone, unknown_list=unknown))
    if storm:
        result = [replace(tenant, storm=_limit(rng, tenant, params)) for tenant in result]
    lists.fill_rewritten(result, teps)
    ports = tuple(_retagged(random.Random(address + k), k, port, macs) for k, port in enumerate(ports))
    rules = tuple(sorted(_rules(rng, tenants)))
    sid_function = rng.random() < 0.5
    known: tuple[KnownAddress, ...] = ()
    if params.suppresses:
        # Drawn on their own: everything else is as in a core without.
        draws = random.Random(address)
        result = [replace(tenant, suppresses=draws.random() < 0.7) for tenant in result]
        known = tuple(sorted(_known(draws, result, macs))[: known_room(params)])
    return TepTables(
        name="random",
        address=address,
        ports=ports,
        tenants=tuple(result),
        macs=tuple(macs),
        teps=teps,
        lists=tuple(lists.made),
        rules=rules,
        known=known,
        sid_function=sid_function,
        group_prefix=group_prefix,
        learned_limit=random.Random(address + len(ports)).choice((1, 3, 1024)),
    )


def _ports(rng: random.Random, params: Params) -> list[Port]:
    access = [
        Port(
            f"access{k}",
            "access",
            native_vid=rng.choice((0, rng.randrange(1, 4095))),
            key_mask=rng.choice((OUI_KEY, OUI_KEY, *_vlan_masks(_VLAN_PART), *_vlan_masks(_VLAN_WHOLE))),
        )
        for k in range(params.access_ports)
    ]
    fabric = [
        Port(f"fabric{k}", "fabric", mac=_random_mac(rng), mtu=rng.choice((1280, 1500, 1600, 9000)))
        for k in range(params.fabric_ports)
    ]
    return access + fabric


def _vlan_masks(bits: int) -> tuple[KeyMask, KeyMask]:
    return KeyMask(0, bits), KeyMask(vid=bits)


def _retagged(rng: random.Random, index: int, port: Port, macs: Iterable[MacTableEntry]) -> Port:
    """The port, perhaps with a VM that gets another VLAN ID, which is nobody else's there, nor another tenant's."""
    used = [entry.place.vid for entry in macs if isinstance(entry.place, Local) and entry.place.port == index]
    if not used or rng.random() < 0.5:
        return port
    before = rng.choice(used)
    free = [
        vid
        for vid in rng.sample(range(1, 4095), 64)
        if vid not in (*used, port.native_vid) and not (vid ^ before) & port.key_mask.vid
    ]
    if not free:
        return port
    pair = before, free[0]
    return replace(port, retag=Retag(*(pair if rng.random() < 0.5 else reversed(pair))))


def _beyond_oui(port: Port, bits: int) -> Port:
    """The port, going by more ``bits`` of the MAC address, if it goes by the OUI."""
    mask = port.key_mask
    return replace(port, key_mask=replace(mask, mac=mask.mac | bits)) if mask.mac else port


def _teps(rng: random.Random, params: Params, own: int, group_prefix: int) -> list[RemoteTep]:
    if not params.fabric_ports:
        return []
    teps = []
    for index in rng.sample(range(params.teps), _some(rng, 1, 6, params.teps // 4)):
        sid_function = rng.random() < 0.3
        address = (own & ~0xFFFFFF) ^ (index + 1) << 64 | (0 if sid_function else rng.getrandbits(16))
        if group_prefix and rng.random() < 0.2:
            teps.append(_underlay_group(rng, params, index, group_prefix))
            continue
        # A Linux kernel sends from its own address and receives at a SID (RFC 8986).
        sources = (address,) if rng.random() < 0.7 else (address ^ 1 << 80,)
        teps.append(
            RemoteTep(
                index,
                f"tep{index}",
                address,
                sources,
                ways=tuple(_ways(rng, params)),
                hop_limit=rng.choice((1, 64, 255)),
                encapsulation=rng.choice(list(Encapsulation)),
                sid_function=sid_function,
                dscp=rng.randrange(64) if rng.random() < 0.3 else None,
            )
        )
    return teps


def _underlay_group(rng: random.Random, params: Params, index: int, prefix: int) -> RemoteTep:
    """What stands among the remote TEPs for all that listen to a group."""
    low = rng.getrandbits(32)
    way = Way(rng.randrange(params.access_ports, params.ports), 0x3333 << 32 | low)
    return RemoteTep(index, f"group{index}", prefix | low, (), ways=(way,))


def _ways(rng: random.Random, params: Params) -> Iterator[Way]:
    """On one fabric port, or on several."""
    ports = list(range(params.access_ports, params.ports))
    first = rng.choice(ports)
    others = [port for port in ports if port != first and rng.random() < 0.5]
    return (Way(port, _random_mac(rng)) for port in (first, *others))


def _tenants(
    rng: random.Random, params: Params, learning: Learning | None, vlan_masks: set[int]
) -> list[Tenant]:
    learn = learning or Learning()
    tenants: list[Tenant] = []
    used: set[int] = set()
    networks: set[int] = set()
    for index in rng.sample(range(params.tenants), _some(rng, 2, 6, params.tenants // 4)):
        ouis: list[int] = []
        while len(ouis) < (2 if rng.random() < 0.2 else 1):
            # Neighbours in value, so that one wrong bit is another tenant.
            base = rng.choice(sorted(used)) ^ 1 << rng.randrange(16) if used and rng.random() < 0.5 else None
            value = rng.getrandbits(24) & ~(0x03 << 16) | 0x02 << 16 if base is None else base
            if value not in used:
                used.add(value)
                ouis.append(value)
        tenants.append(
            Tenant(
                index,
                f"tenant{index}",
                tuple(ouis),
                learn_source=learn.source and rng.random() < 0.6,
                learn_remote=learn.remote and rng.random() < 0.6,
                network=_network(rng, networks) if rng.random() < 0.7 else 0,
                vlan=_vlan(rng, vlan_masks, [tenant.vlan for tenant in tenants]) if vlan_masks else 0,
            )
        )
    return tenants


def _limit(rng: random.Random, tenant: Tenant, params: Params) -> Storm | None:
    """From almost nothing to more than there is."""
    if tenant.index >= params.limited_tenants or rng.random() < 0.1:
        return None
    burst = rng.choice((1, 1, 2, 3, 5, 10, rng.randrange(1, 4096)))
    rate = rng.choice((1, rng.randrange(1, 1000), rng.randrange(1, 4097), rng.randrange(1, 4096 * burst + 1)))
    return Storm(rate, burst)


def _network(rng: random.Random, used: set[int]) -> int:
    """A new one; often one wrong bit away from another."""
    while True:
        near = sorted(used) and rng.random() < 0.5
        network = rng.choice(sorted(used)) ^ 1 << rng.randrange(24) if near else rng.getrandbits(24)
        if network not in used | {0, 0xFFFFFF}:
            used.add(network)
            return network


def _vlan(rng: random.Random, masks: set[int], used: list[int]) -> int:
    """A VLAN ID within ``masks`` that each of these tells from those in use; often one wrong bit away from one."""
    within = reduce(or_, masks)
    while True:
        near = used and rng.random() < 0.7
        vlan = (rng.choice(used) ^ 1 << rng.randrange(12) if near else rng.getrandbits(12)) & within
        distinct = all(vlan & mask not in {0, *(other & mask for other in used)} for mask in masks)
        if distinct and vlan not in _NO_VLAN:
            return vlan


def _rules(rng: random.Random, tenants: list[Tenant]) -> Iterator[Rule]:
    """One direction of a pair says nothing about the other."""
    for source, target in permutations(tenants, 2):
        if rng.random() < 0.3:
            yield Rule(source.index, target.index)


def _known(rng: random.Random, tenants: list[Tenant], macs: list[MacTableEntry]) -> Iterator[KnownAddress]:
    """The first addresses of few networks, so that tenants share them and others are one wrong bit away."""
    for tenant in tenants:
        vms = [entry.mac for entry in macs if entry.tenant == tenant.index and not entry.mac >> 40 & 1]
        if tenant.suppresses and vms:
            hosts = rng.sample(range(1, 16), min(15, 2 * len(vms)))
            for version, network in ((4, 10 << 24), (6, 0xFD10 << 112)):
                for host in hosts:
                    if rng.random() < 0.6:
                        yield KnownAddress(tenant.index, version, network | host, rng.choice(vms))


def _with_groups(rng: random.Random, tenants: list[Tenant], lists: int) -> Iterator[Tenant]:
    """Some send to group addresses of tenants, some are sent to at their own, some do both; for each there are up to
    three more lists."""
    spare = lists - 2 - 3 * len(tenants)
    for tenant in tenants:
        rewrites = spare >= 3 and rng.random() < 0.4
        spare -= 3 * rewrites
        group_key = spare >= 3 and rng.random() < 0.5
        spare -= 3 * group_key
        yield replace(tenant, rewrites=rewrites, group_key=group_key)


def _vids(rng: random.Random, port: Port, tenants: list[Tenant]) -> list[int]:
    """VLAN IDs to give out on one port; the native one among the first."""
    if port.key_mask.vid == _VLAN_WHOLE:
        return [tenant.vlan for tenant in tenants]
    native = port.native_vid
    vids = rng.sample(range(1, 4095), 256)
    if native:
        vids = [vid for vid in vids if vid != native]
        vids.insert(len(vids) - rng.randrange(4), native)
    return vids


def _vm_places(
    rng: random.Random, ports: tuple[Port, ...], tenant: Tenant, vids: dict[int, list[int]], most: int
) -> list[Local]:
    """Places of some VMs, whose VLAN IDs identify the tenant where they have to."""
    places = []
    for _ in range(rng.randint(1, most)):
        port = rng.choice(list(vids))
        mask = ports[port].key_mask.vid
        fitting = [vid for vid in vids[port] if vid & mask == tenant.vlan & mask]
        if fitting:
            vid = fitting[-1]
            vids[port].remove(vid)
            places.append(Local(port, vid))
    return places


def _new_mac(rng: random.Random, tenant: Tenant, block_bits: int, taken: set[int]) -> int:
    while True:
        low = rng.getrandbits(24) if rng.random() < 0.5 else rng.randrange(16)
        mac = rng.choice(tenant.ouis) << 24 | low & ~block_bits | tenant.block
        if mac not in taken:
            taken.add(mac)
            return mac


def _new_group(rng: random.Random, taken: set[int]) -> int:
    while True:
        mac = rng.choice(
            (0x01005E000000 | rng.getrandbits(23), 0x333300000000 | rng.getrandbits(32), _BROADCAST)
        )
        if mac not in taken:
            taken.add(mac)
            return mac


def _members(
    rng: random.Random, places: list[Local], teps: list[RemoteTep], whole: bool
) -> dict[int, tuple[int | Rewritten, ...]]:
    """All of ``places`` and ``teps``, or some of them."""
    members: dict[int, tuple[int | Rewritten, ...]] = {}
    for place in places:
        if whole or rng.random() < 0.5:
            members[place.port] = (*members.get(place.port, ()), place.vid)
    for tep in teps:
        if whole or rng.random() < 0.5:
            members[tep.port] = (*members.get(tep.port, ()), tep.index)
    return members


class _Lists:
    """Replica lists with numbers from the whole range, as far as the member tables have room."""

    def __init__(self, rng: random.Random, params: Params):
        self._rng = rng
        self._free = rng.sample(range(1, params.lists), params.lists - 1)
        self._access_ports = params.access_ports
        self._room = [params.members] * params.ports
        self._pairs: dict[int, dict[int, tuple[int | Rewritten, ...]]] = {}
        self.made: list[ReplicaList] = []

    def add(self, members: dict[int, tuple[int | Rewritten, ...]], paired: bool) -> int:
        """A list with ``members``; if ``paired`` with an even number, and the next one is kept."""
        whole = [i for i in self._free if i % 2 == 0 and i + 1 in self._free]
        odd = [i for i in self._free if i ^ 1 not in self._free]
        index = whole[0] if paired else (odd or self._free)[0]
        self._free.remove(index)
        if paired:
            self._free.remove(index + 1)
            self._pairs[index] = members
        self._make(index, members)
        return index

    def _make(self, index: int, members: dict[int, tuple[int | Rewritten, ...]]) -> None:
        for port, some in members.items():
            self._room[port] -= len(encode_members(some))
        self.made.append(ReplicaList(index, members))

    def fill_rewritten(self, tenants: list[Tenant], teps: tuple[RemoteTep, ...]) -> None:
        """Make the lists behind the pairs: some of the VMs, and remote TEPs for some tenants."""
        rng = self._rng
        ouis = [tenant.group_oui for tenant in tenants]
        for index, members in self._pairs.items():
            made: dict[int, tuple[int | Rewritten, ...]] = {}
            for port, some in members.items():
                if port < self._access_ports:
                    made[port] = tuple(member for member in some if rng.random() < 0.7)
            for tep in teps:
                chosen: list[int | Rewritten] = [
                    Rewritten(oui, tep.index) for oui in ouis if rng.random() < 0.3
                ]
                chosen += [tep.index] if rng.random() < 0.3 else []
                made[tep.port] = in_order((*made.get(tep.port, ()), *chosen))
            fitting = {
                port: some
                for port, some in made.items()
                if some and len(encode_members(some)) <= self._room[port]
            }
            self._make(index + 1, fitting)
