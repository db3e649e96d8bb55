"""A VM from one VLAN ID to another: judged by the model after every single request of the driver."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest
from opentep.gateware.params import Params
from opentep.host.driver import Driver
from opentep.host.link.shadow import ShadowClient
from opentep.host.registers import RegisterAccess
from opentep.host.retagging import Retagged, Stage, next_stage
from opentep.host.tables import Local, MacTableEntry, Port, ReplicaList, Retag, Tenant, TepTables
from opentep.sim.model.tep import TepModel
from opentep.sim.packets import ethernet, tag
from opentep.sim.wire import pad

PARAMS = Params(macs=64, tenants=16, lists=16, members=64, teps=16, rules=16)
PORTS = (Port("server", "access"), Port("up", "fabric", mac=2))
RED, BLUE = Tenant(0, "red", (0x120001,)), Tenant(1, "blue", (0x120002,), flood_list=1)
BROADCAST = (1 << 48) - 1

Vlans = dict[int, int]
"""VLAN ID by MAC address."""


def fabric(vlans: Vlans) -> TepTables:
    """A TEP with these VMs."""
    tenant_of = {mac: mac >> 24 & 1 ^ 1 for mac in vlans}
    return TepTables(
        name="rack",
        address=1,
        ports=PORTS,
        tenants=(RED, BLUE),
        macs=tuple(MacTableEntry(tenant_of[mac], mac, Local(0, vid)) for mac, vid in sorted(vlans.items())),
        lists=tuple(
            ReplicaList(index, {0: vids})
            for index in (0, 1)
            if (vids := tuple(sorted(vid for mac, vid in vlans.items() if tenant_of[mac] == index)))
        ),
    )


def red(number: int) -> int:
    return 0x120001000000 | number


def blue(number: int) -> int:
    return 0x120002000000 | number


@dataclass
class VSwitch:
    """Gives each frame to the port with its tag, and no other."""

    vlans: Vlans

    def owner(self, vid: int) -> int | None:
        owners = [mac for mac, mine in self.vlans.items() if mine == vid]
        assert len(owners) <= 1, "two VMs with one VLAN ID"
        return owners[0] if owners else None


class World:
    """A TEP in memory behind its driver, and the vSwitch on its port."""

    def __init__(self, device, vlans: Vlans):
        self.device = device
        self.vswitch = VSwitch(dict(vlans))
        self.staying: set[int] = set()
        """VMs that must not lose a frame."""
        Driver(RegisterAccess(device), drain_seconds=0).apply(fabric(vlans))
        device.after = lambda _: self.look()

    @property
    def held(self) -> TepTables:
        return Driver(RegisterAccess(self.device)).read().tables

    def look(self) -> None:
        """Every VM sends to every other one and to all, as things are now."""
        model = TepModel(self.held, PARAMS)
        for mac, vid in self.vswitch.vlans.items():
            for to in (*self.vswitch.vlans, BROADCAST):
                if to == mac:
                    continue
                frame = tag(pad(ethernet(to, mac, 0x88B5, b"")), vid, 0)
                got = set()
                for port, octets in model.receive(0, frame):
                    if port == 0:
                        got.add(self.vswitch.owner(int.from_bytes(octets[14:16], "big") & 0xFFF))
                got -= {None}
                mine = {other for other in self.vswitch.vlans if other >> 24 == mac >> 24} - {mac}
                assert got <= mine, f"{mac:012x} → {to:012x} reached {got}"
                wanted = mine if to == BROADCAST else {to} & mine
                if mac in self.staying:
                    assert wanted & self.staying <= got, f"{mac:012x} → {to:012x} lost"

    def retag(self, vlans: Vlans) -> None:
        """The vSwitch changes at an instant that the TEP does not see."""
        self.vswitch.vlans = dict(vlans)
        self.look()

    def go(self, vlans: Vlans, fails: Callable[[], None] = lambda: None) -> None:
        """As the agent does. ``fails``: called before the vSwitch does something."""

        def retag(stage: Stage) -> Retagged:
            fails()
            staged = {mac: stage.vlan("server", vid) for mac, vid in vlans.items()}
            self.retag({mac: vid for mac, vid in staged.items() if vid is not None})
            return Retagged()

        shadow = ShadowClient(self.device)
        driver = Driver(RegisterAccess(shadow), drain_seconds=0, retag_seconds=0, shadow=shadow)
        driver.apply(fabric(vlans), retag=retag)
        fails()
        self.retag(vlans)
        assert self.held.ports[0].retag is None
        assert not Driver(RegisterAccess(self.device)).plan(fabric(vlans))


@pytest.fixture
def world(memory_device):
    return lambda vlans: World(memory_device(PARAMS), vlans)


BEFORE = {red(1): 5, red(2): 6, blue(1): 7, blue(2): 8}
CHANGES = {
    "one": {**BEFORE, red(1): 9},
    "three": {**BEFORE, red(1): 9, red(2): 10, blue(1): 11},
    "another tenant's VM takes what is left": {**BEFORE, red(1): 9, blue(3): 5},
    "a chain": {**BEFORE, red(1): 9, red(2): 5, blue(1): 6},
    "others come beside it": {**BEFORE, red(1): 9, red(3): 5, blue(3): 12},
    "one comes where one goes": {red(1): 5, red(2): 6, blue(2): 8, red(3): 7},
    "one that stays takes the place of one that goes": {red(1): 7, red(2): 6, blue(2): 8},
    "a chain behind one that goes": {red(1): 6, red(2): 7, blue(2): 8, blue(3): 5},
    "others go": {red(1): 9, blue(1): 6, blue(2): 8},
}


@pytest.mark.parametrize("after", [pytest.param(after, id=name) for name, after in CHANGES.items()])
def test_no_frame_is_lost(world, after: Vlans) -> None:
    here = world(BEFORE)
    here.staying = set(BEFORE) & set(after)
    here.go(after)


def test_those_who_exchange_do_not_get_each_others_frames(world) -> None:
    here = world(BEFORE)
    here.staying = {blue(2)}
    here.go({**BEFORE, red(1): 7, blue(1): 5, blue(2): 9})


def test_who_comes_from_another_port_waits_for_the_pair_to_go() -> None:
    """It has two VLAN IDs at its old port, and comes to one that is part of another tenant's VM's new pair."""
    ports = (Port("a", "access", retag=Retag(5, 9)), Port("b", "access"), Port("up", "fabric", mac=2))
    held = replace(
        fabric({red(1): 9, blue(1): 7}),
        ports=ports,
        macs=(MacTableEntry(0, red(1), Local(0, 9)), MacTableEntry(1, blue(1), Local(1, 7))),
        lists=(),
    )
    desired = replace(
        held,
        ports=(Port("a", "access"), *ports[1:]),
        macs=(MacTableEntry(0, red(1), Local(1, 7)), MacTableEntry(1, blue(1), Local(1, 8))),
    )
    stage = next_stage(held, desired, {"a", "b"})
    assert stage is not None
    assert [port.retag for port in stage.tables.ports] == [Retag(5, 9), Retag(7, 8), None]
    assert stage.tables.macs == (MacTableEntry(1, blue(1), Local(1, 8)),)
    assert stage.vlan("b", 7) is None and stage.vlan("b", 8) == 8


def test_without_a_vswitch_it_takes_one_pass(world) -> None:
    here = world(BEFORE)
    changes = Driver(RegisterAccess(here.device), drain_seconds=0).apply(fabric({**BEFORE, red(1): 9}))
    assert [change.kind for change in changes] == ["mac", "list"]


def test_a_dead_vswitch_holds_up_no_other_port(memory_device) -> None:
    """At its port VMs keep both VLAN IDs; those at the other one change, and all else is done."""
    params = replace(PARAMS, access_ports=2)
    ports = (Port("a", "access"), Port("b", "access"), Port("up", "fabric", mac=2))

    def at(first: int, second: int, third: int | None = None) -> TepTables:
        macs = [MacTableEntry(0, red(1), Local(0, first)), MacTableEntry(0, red(2), Local(1, second))]
        members = {0: (first,), 1: (second,)}
        if third is not None:
            macs.append(MacTableEntry(0, red(3), Local(1, third)))
            members[1] = (second, third)
        return replace(fabric({}), ports=ports, macs=tuple(macs), lists=(ReplicaList(0, members),))

    device = memory_device(params)
    shadow = ShadowClient(device)
    driver = Driver(RegisterAccess(shadow), drain_seconds=0, retag_seconds=0, shadow=shadow)
    driver.apply(at(5, 6))

    def retag(stage: Stage) -> Retagged:
        return Retagged({"a"})

    driver.apply(at(9, 10, third=6), retag=retag)
    held = Driver(RegisterAccess(device)).read().tables
    assert [port.retag for port in held.ports] == [None, None, None]
    assert held.macs == at(5, 10, third=6).macs
    driver.apply(at(9, 6, third=10), retag=retag)
    held = Driver(RegisterAccess(device)).read().tables
    assert held.macs == at(5, 6, third=10).macs, "two that exchange theirs"
    driver.apply(at(9, 6, third=10), retag=lambda _: Retagged())
    assert not Driver(RegisterAccess(device)).plan(at(9, 6, third=10))


EXCHANGE = {**BEFORE, red(1): 7, blue(1): 5}


@pytest.mark.parametrize("after", [*CHANGES.values(), EXCHANGE], ids=[*CHANGES, "an exchange"])
@pytest.mark.parametrize("dies", [0, 1, 2])
def test_a_dead_vswitch_keeps_its_vlans(world, after: Vlans, dies: int) -> None:
    """It answers so many times, then no more, whoever asks: nobody gets a VLAN ID that it may still have given to
    another one. `World.look` judges after each request."""
    here = world(BEFORE)
    here.staying = set() if after is EXCHANGE else set(BEFORE) & set(after)
    answers = [dies]

    def retag(stage: Stage) -> Retagged:
        if not answers[0]:
            return Retagged({"server"})
        answers[0] -= 1
        staged = {mac: stage.vlan("server", vid) for mac, vid in after.items()}
        here.retag({mac: vid for mac, vid in staged.items() if vid is not None})
        return Retagged(let_go=True)

    for _ in range(2):  # the second one knows nothing of the first
        shadow = ShadowClient(here.device)
        driver = Driver(RegisterAccess(shadow), drain_seconds=0, retag_seconds=0, shadow=shadow)
        driver.apply(fabric(after), retag=retag)
    here.go(after)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize(
    "seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(8, 60))]
)
def test_interrupted_at_any_request(world, seed: int) -> None:
    """The agent, the host link or the vSwitch fails anywhere, again and again, and the desired state changes meanwhile:
    nobody loses a frame who has not exchanged VLAN IDs, and nobody gets one of another tenant."""
    rng = random.Random(seed)
    here = world(BEFORE)
    here.staying = set(BEFORE)
    vlans = dict(BEFORE)
    for _ in range(4):
        # Free ones only: with those of others it might become an exchange.
        free = [vid for vid in range(2, 20) if vid not in vlans.values()]
        for mac in rng.sample(sorted(vlans), rng.randint(1, 3)):
            vlans[mac] = free.pop(rng.randrange(len(free)))
        for _ in range(rng.randint(0, 2)):
            left = [rng.randint(1, 40)]

            def fails(left: list[int] = left) -> None:
                left[0] -= 1
                if left[0] == 0:
                    raise Interrupted

            def after(request: object, fails: Callable[[], None] = fails) -> None:
                here.look()
                fails()

            here.device.after = after
            with suppress(Interrupted):
                here.go(vlans, fails)
            here.device.after = lambda _: here.look()
        if rng.randrange(2):
            here.go(vlans)
    here.go(vlans)
