"""What must hold whatever is configured and whatever is sent."""

import random
from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from opentep.gateware.params import Params
from opentep.host.tables import (
    Group,
    Local,
    MacTableEntry,
    Remote,
    RemoteTep,
    Rewritten,
    Rule,
    TepTables,
    Way,
)
from opentep.sim.model import TepModel
from opentep.sim.packets import ethernet, random_payload, tag
from opentep.sim.traffic import Learning, Traffic, random_tables, schedule
from opentep.sim.wire import pad

PARAMS = Params(access_ports=2, fabric_ports=2)
OVERHEADS = {143: 0, 97: 2, 47: 8, 17: 16}
"""By next header: octets in front of the tunnelled frame."""
SEEDS = st.integers(0, 2**32)


class Owners:
    """Who is where, read from the configuration without the model's help."""

    def __init__(self, tables: TepTables):
        self.tables = tables
        self.tenant_at = {m.place: m.tenant for m in tables.macs if isinstance(m.place, Local)}
        self.network_of = {tenant.index: tenant.network for tenant in tables.tenants}
        self.tenant_of_oui = {oui: tenant.index for tenant in tables.tenants for oui in tenant.ouis}
        self.group_ouis = {t.index: t.group_oui.to_bytes(3, "big") for t in tables.tenants}
        self.macs_at: dict[Local, set[int]] = {}
        for entry in tables.macs:
            if isinstance(entry.place, Local):
                self.macs_at.setdefault(entry.place, set()).add(entry.mac)
        for place in list(self.macs_at):
            for vid in self.names(place.port, place.vid):
                self.macs_at[Local(place.port, vid)] = self.macs_at[place]
                self.tenant_at[Local(place.port, vid)] = self.tenant_at[place]
        self.lists = {entry.index: entry for entry in tables.lists}

    def names(self, port: int, vid: int) -> set[int]:
        """VLAN IDs of the VM that has one of them."""
        retag = self.tables.ports[port].retag
        pair = {retag.before, retag.after} if retag else set()
        return pair if vid in pair else {vid}

    def is_fabric(self, port: int) -> bool:
        return self.tables.ports[port].role == "fabric"

    def tenant(self, mac: int) -> int | None:
        return self.tenant_of_oui.get(mac >> 24)

    def is_named(self, tenant: int, frame: bytes, out: bytes) -> bool:
        """The tunnel that ``out`` came in names the virtual network of ``tenant``: just in front of it, in VXLAN as
        in NVGRE."""
        network = self.network_of[tenant]
        # A group address as destination may have been rewritten.
        begin = frame.index(out[6:12], 60) - 6 if out[0] & 1 else frame.index(out[:12], 54)
        headers = frame[54:begin]
        return network != 0 and headers[-4:-1] == network.to_bytes(3, "big")

    def sender(self, port: int, frame: bytes) -> Local:
        vid = int.from_bytes(frame[14:16], "big") & 0xFFF if frame[12:14] == b"\x81\x00" else 0
        return Local(port, vid if vid not in (0, 4095) else self.tables.ports[port].native_vid)


def mac(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


def is_answer(frame: bytes) -> bool:
    return len(frame) > 54 and frame[12:14] == b"\x86\xdd" and frame[20] == 58


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_tenants_are_isolated(seed: int) -> None:
    rng = random.Random(seed)
    tables = random_tables(rng, PARAMS)
    model, owners = TepModel(tables), Owners(tables)
    for event in schedule(tables, rng, 200, mutation=0.4):
        for port, out in model.receive(event.port, event.frame, event.time):
            if owners.is_fabric(port):
                # Answers of the TEP itself never carry what a VM sent.
                assert is_answer(out) == owners.is_fabric(event.port)
                continue
            place = Local(port, mac(out[14:16]) & 0xFFF)
            assert out[12:14] == b"\x81\x00"
            if owners.is_fabric(event.port) and owners.is_named(owners.tenant_at[place], event.frame, out):
                continue
            if owners.is_fabric(event.port):
                sender = owners.tenant(mac(out[6:12]))
            else:
                sender = owners.tenant_at[owners.sender(event.port, event.frame)]
            assert sender is not None
            receiver = owners.tenant_at[place]
            # The lists of random tables have members of one tenant only; group frames for another one say so.
            rewritten = owners.group_ouis[receiver] in event.frame[54:]
            assert receiver == sender or (
                (rewritten or not out[0] & 1) and Rule(sender, receiver) in tables.rules
            )


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_nobody_sends_as_somebody_else(seed: int) -> None:
    rng = random.Random(seed)
    tables = random_tables(rng, PARAMS)
    model, owners = TepModel(tables), Owners(tables)
    everyone_here = {m.mac for m in tables.macs if isinstance(m.place, Local)}
    for event in schedule(tables, rng, 200, mutation=0.4):
        for port, out in model.receive(event.port, event.frame, event.time):
            if owners.is_fabric(event.port):
                assert owners.is_fabric(port) or mac(out[6:12]) not in everyone_here
                continue
            inner = out[54 + OVERHEADS[out[20]] :] if owners.is_fabric(port) else out
            assert mac(inner[6:12]) in owners.macs_at[owners.sender(event.port, event.frame)]
            rewritten = owners.is_fabric(port) and inner[:3] in owners.group_ouis.values()
            assert inner[6:12] == event.frame[6:12]
            assert inner[:6] == event.frame[:6] or (rewritten and event.frame[0] & 1)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_group_frames_reach_each_member_once(seed: int) -> None:
    rng = random.Random(seed)
    tables = random_tables(rng, PARAMS)
    tables = replace(tables, ports=tuple(replace(port, mtu=9000) for port in tables.ports))
    owners = Owners(tables)
    by_locator = {tep.address >> 24: tep.index for tep in tables.teps}
    vms = [m for m in tables.macs if isinstance(m.place, Local)]
    if not vms:
        return
    sender = rng.choice(vms)
    assert isinstance(sender.place, Local)
    own = [m for m in tables.macs if m.tenant == sender.tenant]
    groups = {m.mac: m.place.list for m in own if isinstance(m.place, Group)}
    tenant = next(tenant for tenant in tables.tenants if tenant.index == sender.tenant)
    named = {tep.index for tep in tables.teps if tep.encapsulation.has_network or tep.sid_function}
    for dst in (0xFFFFFFFFFFFF, 0x3333_0000_0001, *groups):
        # Of these frames only a broadcast can be told from what is in it.
        rewrites = tenant.rewrites and dst == 0xFFFFFFFFFFFF
        index = groups.get(dst, tenant.flood_list)
        frame = tag(ethernet(dst, sender.mac, 0x0806, rng.randbytes(100)), sender.place.vid)
        wanted: Counter[tuple[int, int, int]] = Counter()
        for port in range(len(tables.ports)):
            fabric = owners.is_fabric(port)
            entry = owners.lists.get(index | (rewrites and fabric))
            for member in entry.members.get(port, ()) if entry else ():
                if isinstance(member, Rewritten):
                    mac_of = dst if member.tep in named else member.oui << 24 | 0xFFFFFF
                    wanted[port, member.tep, mac_of] += 1
                elif Local(port, member) != sender.place:
                    wanted.update((port, vid, dst) for vid in owners.names(port, member))
        got: Counter[tuple[int, int, int]] = Counter()
        for port, out in TepModel(tables).receive(sender.place.port, frame):
            if owners.is_fabric(port):
                inner = out[54 + OVERHEADS[out[20]] :]
                got[port, by_locator[mac(out[38:51])], mac(inner[:6])] += 1
            else:
                got[port, mac(out[14:16]) & 0xFFF, mac(out[:6])] += 1
        assert got == wanted


def peer_of(tables: TepTables, vm: MacTableEntry, vid: int) -> TepTables:
    """The configuration of the TEP that ``vm`` is behind, as seen from ``tables``."""
    assert isinstance(vm.place, Remote)
    here = next(tep for tep in tables.teps if vm.place == Remote(tep.index))
    port = tables.ports[here.port]
    macs = tuple(
        replace(m, place=Remote(0) if isinstance(m.place, Local) else Local(0, vid))
        for m in tables.macs
        if isinstance(m.place, Local) or m == vm
    )
    back = RemoteTep(0, tables.name, tables.address, (tables.address,), (Way(here.port, port.mac),))
    return replace(
        tables,
        address=here.address,
        sid_function=here.sid_function,
        ports=tuple(
            replace(p, mac=here.way(n).next_hop) if n in {w.port for w in here.ways} else p
            for n, p in enumerate(tables.ports)
        ),
        macs=macs,
        teps=(back,),
        lists=(),
    )


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, vid=st.integers(1, 4094), pcp=st.integers(0, 15))
def test_what_is_tunnelled_arrives_unchanged(seed: int, vid: int, pcp: int) -> None:
    rng = random.Random(seed)
    tables = random_tables(rng, PARAMS)
    # A TEP sends from the address that it receives at.
    tables = replace(
        tables,
        teps=tuple(replace(tep, sources=(tep.address,)) for tep in tables.teps),
        tenants=tuple(replace(tenant, network=1 + tenant.index) for tenant in tables.tenants),
    )
    far = [m for m in tables.macs if isinstance(m.place, Remote)]
    pairs = [(a, b) for b in far for a in tables.macs if a.tenant == b.tenant and isinstance(a.place, Local)]
    if not pairs:
        return
    sender, receiver = rng.choice(pairs)
    assert isinstance(sender.place, Local)
    ethertype, payload = random_payload(rng, sender.mac, receiver.mac, rng.randrange(1100))
    sent = pad(tag(ethernet(receiver.mac, sender.mac, ethertype, payload), sender.place.vid, pcp))
    [(port, tunnelled)] = TepModel(tables).receive(sender.place.port, sent)
    [(_, delivered)] = TepModel(peer_of(tables, receiver, vid)).receive(port, tunnelled)
    assert delivered == sent[:14] + vid.to_bytes(2, "big") + sent[16:]


@settings(max_examples=200, deadline=None)
@given(octets=st.binary(min_size=0, max_size=200), seed=st.integers(0, 50))
def test_octets_of_any_kind_are_forwarded_or_counted(octets: bytes, seed: int) -> None:
    tables = random_tables(random.Random(seed), PARAMS)
    for port, config in enumerate(tables.ports):
        model = TepModel(tables)
        left = model.receive(port, octets)
        counters = model.counters()["ports"][config.name]
        assert (counters["rx_frames"], counters["rx_octets"]) == (1, len(octets))
        assert bool(left) != (sum(counters["drops"].values()) == 1)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_every_frame_is_accounted_for(seed: int) -> None:
    """Frames that leave are counted, and a frame is dropped at most once (too-big replicas apart)."""
    rng = random.Random(seed)
    tables = random_tables(rng, PARAMS, Learning(source=True, remote=True))
    model = TepModel(tables)
    left: Counter[int] = Counter()
    for event in schedule(tables, rng, 150, gap=2_000):
        left.update(port for port, _ in model.receive(event.port, event.frame, event.time))
    counters = list(model.counters()["ports"].values())
    assert [counter["tx_frames"] for counter in counters] == [left[port] for port in range(len(tables.ports))]
    assert sum(counter["rx_frames"] for counter in counters) == 150
    dropped = sum(sum(c["drops"].values()) - c["drops"]["too-big"] for c in counters)
    assert dropped <= 150


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_traffic_is_repeatable(seed: int) -> None:
    def run() -> list[bytes]:
        rng = random.Random(seed)
        traffic = Traffic(random_tables(rng, PARAMS), rng, rng.randrange(4), longest=2000)
        return [traffic.frame() for _ in range(20)]

    frames = run()
    assert frames == run()
    assert all(60 <= len(frame) <= 2000 for frame in frames)
