"""Tables that are full, or too small for what is wanted."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from opentep.gateware.tables.mac_entry import MacKind
from opentep.host.driver import Driver, DriverError
from opentep.host.registers import RegisterAccess
from opentep.host.steps import Steps
from opentep.host.tables import (
    OUI_KEY,
    Local,
    MacTableEntry,
    Remote,
    RemoteTep,
    ReplicaList,
    Tenant,
    TepTables,
    Way,
)

from .driver_bench import PARAMS, configurations, device, driver, normal

__all__ = ["device", "driver"]


def test_too_much(driver: Driver) -> None:
    (tables,) = configurations(3, 1)
    entry = tables.macs[0]
    many = tuple(replace(entry, mac=entry.mac & ~0xFFFFFF | low) for low in range(300))
    with pytest.raises(DriverError, match="300 MAC addresses"):
        driver.apply(replace(tables, macs=many))


def full_of_macs(first: int) -> TepTables:
    """As many as there is room for, from ``first`` on."""
    some = next(configurations(3, 1))
    places = ((first + number, Local(0, 2 + first + number)) for number in range(PARAMS.macs))
    entries = tuple(MacTableEntry(0, 0x120001 << 24 | mac, place) for mac, place in places)
    red = Tenant(0, "red", (0x120001,), learn_source=True)
    return TepTables("full", some.address, some.ports, (red,), entries)


def test_a_full_mac_table_is_replaced(driver: Driver, device) -> None:
    """The new entries come before the old ones go, and find no place."""
    driver.apply(full_of_macs(0))
    driver.apply(full_of_macs(1000))
    assert normal(driver.read().tables) == normal(full_of_macs(1000))


def test_entries_that_were_refused_are_not_told_of_once_they_are_given_up(driver: Driver, device) -> None:
    full = full_of_macs(0)
    less = replace(full, macs=full.macs[1:])
    driver.apply(less)
    device.learn(0, 0x120001FFFFFF, {"kind": MacKind.LOCAL, "port": 0, "id": 4000})
    with pytest.raises(DriverError, match="the MAC table of 'full' is full: 1 entries found no place"):
        driver.apply(full)
    driver.apply(replace(less, age_seconds=200))
    assert driver.read().tables.age_seconds == 200


def test_keys_are_replaced_that_have_no_room_beside_the_new_ones(driver: Driver) -> None:
    """A tenant keeps one of its OUIs; TEPs keep none of their sources."""
    some = next(configurations(3, 1))

    def tables(number: int) -> TepTables:
        red = Tenant(0, "red", (0x120001, *range(0x120100 * number, 0x120100 * number + 19)))
        address = 0xFD << 120
        teps = tuple(
            RemoteTep(
                n, f"tep{n}", address | n, (address | number << 32 | n,), (Way(2, 0x02_00_00_00_00_01),)
            )
            for n in range(16)
        )
        macs = tuple(MacTableEntry(0, 0x120001 << 24 | n, Remote(n)) for n in range(16))
        return TepTables("full", some.address, some.ports, (red,), macs, teps)

    for number in (1, 2, 3):
        driver.apply(tables(number))
        assert normal(driver.read().tables) == normal(tables(number))


def test_a_limit_that_the_tep_cannot_keep(memory_device) -> None:
    driver = Driver(RegisterAccess(memory_device(replace(PARAMS, storm_tenants=0))), drain_seconds=0)
    tables = next(tables for tables in configurations(3, 9) if any(t.storm for t in tables.tenants))
    with pytest.raises(DriverError, match=r"storm control of tenant '.*': the core has room for 0 tenants"):
        driver.apply(tables)


def test_scattered_member_table_is_packed(driver: Driver) -> None:
    (tables,) = configurations(5, 1)
    port = 0
    lists = [
        replace(tables.lists[0], index=index, members={port: tuple(range(100, 108))}) for index in range(8)
    ]
    driver.apply(replace(tables, lists=tuple(lists)))
    lists = [replace(entry, members={port: tuple(range(200, 208))}) for entry in lists]
    driver.apply(replace(tables, lists=tuple(lists)))
    assert driver.plan(replace(tables, lists=tuple(lists))) == []


def test_a_vlan_id_changes_hands_where_the_member_table_is_full(driver: Driver, device) -> None:
    """The list that it leaves has no room for its new copy, and must be without it all the same before it is given
    to another tenant."""
    some = next(configurations(3, 1))
    tenants = tuple(Tenant(n, f"tenant{n}", (0x120001 + n,), flood_list=n) for n in range(2))

    def tables(*vlans: range) -> TepTables:
        macs = (
            MacTableEntry(n, (0x120001 + n) << 24 | vid, Local(0, vid)) for n in range(2) for vid in vlans[n]
        )
        lists = (ReplicaList(n, {0: tuple(vlans[n])}) for n in range(2) if vlans[n])
        return TepTables("full", some.address, some.ports, tenants, tuple(macs), (), tuple(lists))

    driver.apply(tables(range(10, 70), range(0)))
    observer = Driver(RegisterAccess(device))

    def judge_lists(_: object) -> None:
        now = observer.read().tables
        owners = {entry.place: entry.tenant for entry in now.macs}
        for entry in now.lists:
            assert {owners.get(Local(0, vid), entry.index) for vid in entry.members[0]} == {entry.index}

    device.after = judge_lists
    after = tables(range(11, 70), range(10, 11))
    driver.apply(after)
    assert normal(driver.read().tables) == normal(after)


def full_of_sources(some: TepTables) -> TepTables:
    rng = random.Random(3)
    addresses = [(0xFD << 120 | rng.getrandbits(120), 0xFD << 120 | rng.getrandbits(120)) for _ in range(16)]
    return TepTables(
        name="full",
        address=some.address,
        ports=some.ports,
        teps=tuple(
            RemoteTep(n, f"tep{n}", first, (first, second), (Way(2, 0x02_00_00_00_00_01),))
            for n, (first, second) in enumerate(addresses)
        ),
    )


def full_of_rows(some: TepTables) -> TepTables:
    """Tenants in a row, each with VMs in a row, as they are allocated."""
    places = ((n, vm, Local(0, 2 + 8 * n + vm)) for n in range(15) for vm in range(8))
    return TepTables(
        name="full",
        address=some.address,
        ports=tuple(replace(port, key_mask=OUI_KEY) for port in some.ports),
        tenants=tuple(Tenant(n, f"tenant{n}", (0x120001 + n,)) for n in range(15)),
        macs=tuple(MacTableEntry(n, 0x120001 + n << 24 | vm, place) for n, vm, place in places),
    )


@pytest.mark.parametrize("full", [full_of_sources, full_of_rows])
def test_a_seed_that_leaves_something_without_a_place_is_not_taken(
    driver: Driver, full: Callable[[TepTables], TepTables], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = full(next(configurations(3, 1)))
    steps = Steps(driver._reader, driver.read(), tables)
    rng = random.Random(9)
    some_seeds = [rng.getrandbits(64) for _ in range(1000)]
    bad = next((seed for seed in some_seeds if not steps.fits(seed)), None)
    good = next(seed for seed in some_seeds if steps.fits(seed))
    assert bad is not None
    seeds = iter([bad] * 3 + [good] * 100)
    monkeypatch.setattr("opentep.host.driver.secrets.randbits", lambda _: next(seeds))
    driver.apply(tables)
    assert driver.registers.read("hash_seed") == good
    assert normal(driver.read().tables) == normal(tables)
