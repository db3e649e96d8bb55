"""Tables change while traffic runs at line rate: who is not concerned loses nothing, and nobody meets a mixture.

A TEP is configured over its host link, one change after the other, without a pause, by the driver that configures
hardware. Meanwhile all ports receive back to back. Every frame must leave as the tables say before or behind the change
that it met; if both say the same, it must not be missing.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from opentep.host.driver import Driver
from opentep.host.registers import RegisterAccess
from opentep.host.tables import Group, Local, MacTableEntry, Remote, Rule, TepTables, Way
from opentep.sim.board import VirtualBoard
from opentep.sim.traffic import Traffic, random_tables

from .table_changes import FABRIC, PARAMS, RATE, Stream, everything_left, judge, nothing_overflowed

AHEAD = 4000
"""Frames per port that wait when a change begins: more than it lasts."""

ROOMY = replace(PARAMS, members=PARAMS.members // 2)
"""What tables are made for: so much room is left that no list finds it too scattered, for which all have to be written
anew, and group frames get lost (docs/runbook.md)."""

Change = Callable[[random.Random, TepTables], TepTables]


def vms(tables: TepTables) -> list[MacTableEntry]:
    return [entry for entry in tables.macs if isinstance(entry.place, Local)]


def free_place(rng: random.Random, tables: TepTables, tenant: int) -> Local | None:
    """A place that nobody has, and whose VLAN ID suits the tenant; none, perhaps, behind ports that go by the whole of
    it."""
    vlan = next(t.vlan for t in tables.tenants if t.index == tenant)
    taken = {entry.place for entry in tables.macs}
    for _ in range(100):
        port = rng.randrange(PARAMS.access_ports)
        mask = tables.ports[port].key_mask.vid
        place = Local(port, rng.randrange(1, 4095) & ~mask | vlan & mask)
        if place.vid not in (0, 4095) and place not in taken:
            return place
    return None


def move_vm(rng: random.Random, tables: TepTables) -> TepTables:
    vm = rng.choice(vms(tables))
    place = free_place(rng, tables, vm.tenant)
    if place is None:
        return tables
    return replace(tables, macs=tuple(replace(e, place=place) if e == vm else e for e in tables.macs))


def add_vm(rng: random.Random, tables: TepTables) -> TepTables:
    tenant = rng.choice(tables.tenants)
    mac = tenant.ouis[0] << 24 | rng.getrandbits(24)
    place = free_place(rng, tables, tenant.index)
    if place is None or any((e.tenant, e.mac) == (tenant.index, mac) for e in tables.macs):
        return tables
    return replace(tables, macs=(*tables.macs, MacTableEntry(tenant.index, mac, place)))


def remove_vm(rng: random.Random, tables: TepTables) -> TepTables:
    if len(vms(tables)) < 4:
        return tables
    gone = rng.choice(vms(tables))
    return replace(tables, macs=tuple(entry for entry in tables.macs if entry != gone))


def move_behind_tep(rng: random.Random, tables: TepTables) -> TepTables:
    """A VM migrates to another rack, or from one to another."""
    if not tables.teps:
        return tables
    vm = rng.choice([entry for entry in tables.macs if not isinstance(entry.place, Group)])
    if isinstance(vm.place, Local) and len(vms(tables)) < 4:
        return tables
    place = Remote(rng.choice(tables.teps).index)
    return replace(tables, macs=tuple(replace(e, place=place) if e == vm else e for e in tables.macs))


def other_next_hop(rng: random.Random, tables: TepTables) -> TepTables:
    """The outer header of a TEP is rewritten, 64 octets of it."""
    if not tables.teps:
        return tables
    tep = rng.choice(tables.teps)
    ways = tuple(replace(way, next_hop=rng.getrandbits(46) << 2) for way in tep.ways)
    other = replace(tep, ways=ways, hop_limit=rng.randrange(1, 256))
    return replace(tables, teps=tuple(other if t == tep else t for t in tables.teps))


def other_ways(rng: random.Random, tables: TepTables) -> TepTables:
    """A way to a TEP is withdrawn, or comes; group frames keep theirs."""
    if not tables.teps:
        return tables
    tep = rng.choice(tables.teps)
    first, *others = tep.ways
    port = next(port for port in FABRIC if port != first.port)
    other = replace(tep, ways=(first,) if others else (first, Way(port, rng.getrandbits(46) << 2)))
    return replace(tables, teps=tuple(other if t == tep else t for t in tables.teps))


def toggle_rule(rng: random.Random, tables: TepTables) -> TepTables:
    if len(tables.tenants) < 2:
        return tables
    one, other = rng.sample(tables.tenants, 2)
    return replace(tables, rules=tuple(sorted(set(tables.rules) ^ {Rule(one.index, other.index)})))


def other_list(rng: random.Random, tables: TepTables) -> TepTables:
    """A replica list loses a member, or its members change their order, on one port."""
    entry = rng.choice([entry for entry in tables.lists if any(entry.members.values())])
    port = rng.choice([port for port, members in entry.members.items() if members])
    members = list(entry.members[port])
    if len(members) > 1:
        members.pop(rng.randrange(len(members)))
    changed = replace(entry, members=entry.members | {port: tuple(members)})
    return replace(tables, lists=tuple(changed if e == entry else e for e in tables.lists))


def toggle_flooding(rng: random.Random, tables: TepTables) -> TepTables:
    tenant = rng.choice(tables.tenants)
    changed = replace(tenant, unknown_list=tenant.flood_list if tenant.unknown_list is None else None)
    return replace(tables, tenants=tuple(changed if t == tenant else t for t in tables.tenants))


CHANGES: tuple[Change, ...] = (
    move_vm,
    move_vm,
    add_vm,
    remove_vm,
    move_behind_tep,
    other_next_hop,
    other_ways,
    other_ways,
    toggle_rule,
    other_list,
    toggle_flooding,
)


@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)]
)
def test_tables_change_under_traffic(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(seed)
    tables = random_tables(rng, ROOMY)
    while len(vms(tables)) < 6 or not tables.teps or len(tables.tenants) < 2:
        tables = random_tables(rng, ROOMY)
    # What leaves has room: replicas and outer headers make more of it than came.
    board = VirtualBoard(PARAMS, rate=RATE, tx_rate=4 * RATE)
    driver = Driver(RegisterAccess(board.link_client()), drain_seconds=0)
    driver.apply(tables)
    history = [tables]
    streams = [
        Stream(port, iter(Traffic(tables, random.Random(seed + port), port, mutation=0.0, longest=400)))
        for port in range(PARAMS.ports)
    ]
    marks: list[list[int]] = []
    for _ in range(24):
        after = rng.choice(CHANGES)(rng, history[-1])
        for stream in streams:
            stream.top_up(board, AHEAD)
        marks.append([stream.entered(board) for stream in streams])
        driver.apply(after)
        history.append(after)
        assert all(board.pending(port) for port in range(PARAMS.ports)), "the wire fell silent"
    marks.append([stream.entered(board) for stream in streams])

    left = everything_left(board)
    assert nothing_overflowed(driver, tables) and not caplog.messages
    unconcerned, concerned = judge(streams, list(pairwise(history)), marks, left)
    assert unconcerned > 10_000
    assert concerned > 20
    # The judge is not blind: by these rules the changes did happen, one after the other.
    with pytest.raises(AssertionError):
        judge(streams, [(tables, tables)] * 24, marks, left)
