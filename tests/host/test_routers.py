"""What a TEP gets while some of the routers that its document names do not answer."""

import random
from dataclasses import replace

import pytest
from opentep.host.driver import Driver
from opentep.host.registers import RegisterAccess
from opentep.host.tables import (
    Group,
    KnownAddress,
    Local,
    MacTableEntry,
    Port,
    Remote,
    RemoteTep,
    ReplicaList,
    Tenant,
    TepTables,
    Way,
)

from .driver_bench import PARAMS, configurations, normal
from .routers_bench import Routers, routers

__all__ = ["routers"]

SERVER, NORTH, SOUTH = 0, 2, 3
ROUTERS = {NORTH: 0xFE80 << 112 | 1, SOUTH: 0xFE80 << 112 | 2}
MACS = {NORTH: 0x02005E00FF01, SOUTH: 0x02005E00FF02}
STATIC = 0x02005E00FF03
RED = 0x120001000000


def ways(*ports: int) -> tuple[Way, ...]:
    """Over routers."""
    return tuple(Way(port, 0, ROUTERS[port]) for port in ports)


TABLES = TepTables(
    "rack1",
    0xFD << 120 | 1,
    (
        Port("server", "access"),
        Port("other", "access"),
        Port("north", "fabric", 0x02005E010001),
        Port("south", "fabric", 0x02005E010002),
    ),
    tenants=(Tenant(0, "red", (RED >> 24,), flood_list=0, suppresses=True),),
    macs=(
        MacTableEntry(0, RED | 1, Local(SERVER, 7)),
        *(MacTableEntry(0, RED | 2 + tep, Remote(tep)) for tep in range(3)),
        MacTableEntry(0, RED | 1 << 40 | 9, Group(1)),
    ),
    teps=(
        RemoteTep(0, "both", 0xFD << 120 | 2, (0xFD << 120 | 2,), ways(NORTH, SOUTH)),
        RemoteTep(1, "north", 0xFD << 120 | 3, (0xFD << 120 | 3,), ways(NORTH)),
        RemoteTep(2, "static", 0xFD << 120 | 4, (0xFD << 120 | 4,), (Way(SOUTH, STATIC),)),
    ),
    lists=(
        ReplicaList(0, {SERVER: (7,), NORTH: (0, 1), SOUTH: (2,)}),
        ReplicaList(1, {NORTH: (1,)}),
    ),
    known=tuple(KnownAddress(0, 4, 10 << 24 | number, RED | number) for number in range(1, 5)),
)


def filled(*found: int) -> TepTables:
    """:data:`TABLES` with the MAC addresses of routers that were ``found``."""
    return replace(
        TABLES,
        teps=tuple(
            replace(
                tep,
                ways=tuple(
                    replace(
                        way,
                        next_hop=MACS[way.port] if way.router and way.port in found else way.next_hop,
                        router=0,
                    )
                    for way in tep.ways
                ),
            )
            for tep in TABLES.teps
        ),
    )


@pytest.fixture
def driver(memory_device) -> Driver:
    return Driver(RegisterAccess(memory_device(PARAMS)), drain_seconds=0)


def answering(*ports: int) -> dict[tuple[int, int], int]:
    return {(port, ROUTERS[port]): MACS[port] for port in ports}


def test_all_but_what_leads_to_a_silent_router_only_is_written(driver: Driver, routers: Routers) -> None:
    routers.macs = answering(SOUTH)
    driver.apply(TABLES)
    (told,) = driver.unanswered
    assert told.startswith("router fe80::1 on port north does not answer and is left out; remedy: ")
    held = driver.read()
    assert held.enabled
    wanted = filled(SOUTH)
    both, _, static = wanted.teps
    assert normal(held.tables) == normal(
        replace(
            wanted,
            teps=(replace(both, ways=both.ways[1:]), static),
            macs=tuple(entry for entry in TABLES.macs if entry.place != Remote(1)),
            lists=(ReplicaList(0, {SERVER: (7,), SOUTH: (0, 2)}), ReplicaList(1)),
            known=tuple(known for known in TABLES.known if known.mac != RED | 3),
        )
    )
    assert driver.plan(TABLES), "something is left to do"
    routers.macs = answering(NORTH, SOUTH)
    driver.apply(TABLES)
    assert driver.unanswered == []
    assert normal(driver.read().tables) == normal(filled(NORTH, SOUTH))
    assert driver.plan(TABLES) == []


def test_the_vms_of_a_rack_whose_routers_are_silent_reach_each_other(
    driver: Driver, routers: Routers
) -> None:
    driver.apply(TABLES)
    assert len(driver.unanswered) == 2
    held = driver.read()
    assert held.enabled
    assert [tep.index for tep in held.tables.teps] == [2]
    assert {entry.place for entry in held.tables.macs} == {Local(SERVER, 7), Group(1), Remote(2)}
    assert driver.apply(TABLES) == [], "until one answers"


def test_a_router_that_was_known_keeps_its_place(driver: Driver, routers: Routers) -> None:
    routers.macs = answering(NORTH, SOUTH)
    driver.apply(TABLES)
    routers.macs = {}
    assert driver.apply(TABLES) == []
    assert driver.unanswered == []
    assert normal(driver.read().tables) == normal(filled(NORTH, SOUTH))


def test_the_way_there_is_stays_until_the_new_one_can_be_used(driver: Driver, routers: Routers) -> None:
    moved = replace(TABLES, teps=tuple(replace(tep, ways=ways(SOUTH)) for tep in TABLES.teps))
    moved = replace(
        moved, lists=(ReplicaList(0, {SERVER: (7,), SOUTH: (0, 1, 2)}), ReplicaList(1, {SOUTH: (1,)}))
    )
    northern = replace(TABLES, teps=tuple(replace(tep, ways=ways(NORTH)) for tep in TABLES.teps))
    northern = replace(
        northern, lists=(ReplicaList(0, {SERVER: (7,), NORTH: (0, 1, 2)}), ReplicaList(1, {NORTH: (1,)}))
    )
    routers.macs = answering(NORTH)
    driver.apply(northern)
    before = normal(driver.read().tables)
    driver.apply(moved)
    assert len(driver.unanswered) == 1
    assert normal(driver.read().tables) == before
    routers.macs = answering(SOUTH)
    driver.apply(moved)
    assert {way for tep in driver.read().tables.teps for way in tep.ways} == {Way(SOUTH, MACS[SOUTH])}


@pytest.mark.parametrize("seed", range(4))
def test_from_anything_to_anything_with_some_routers_silent(
    driver: Driver, routers: Routers, seed: int
) -> None:
    rng = random.Random(seed)
    for tables in configurations(seed, 6):
        routed = replace(
            tables,
            teps=tuple(
                tep
                if tep.address >> 120 == 0xFF
                else replace(tep, ways=ways(*(way.port for way in tep.ways)))
                for tep in tables.teps
            ),
        )
        routers.macs = answering(*rng.sample((NORTH, SOUTH), rng.randrange(3)))
        driver.apply(routed)
        held = driver.read()
        assert held.tables.referred_teps <= {tep.index for tep in held.tables.teps}
        assert all(way.next_hop for tep in held.tables.teps for way in tep.ways)
        assert driver.apply(routed) == [], "nothing more can be done"
        routers.macs = answering(NORTH, SOUTH)
        driver.apply(routed)
        assert driver.plan(routed) == []
