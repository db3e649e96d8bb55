"""What is vacated before a number means someone else."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentep.gateware.headers import Encapsulation
from opentep.host.tables import (
    Group,
    Local,
    MacTableEntry,
    Port,
    Remote,
    RemoteTep,
    ReplicaList,
    Rewritten,
    Tenant,
    TepTables,
    Way,
)
from opentep.host.transition import vacate

PORTS = (Port("srv", "access"), Port("up", "fabric", mac=2))
GROUP_MAC = 0x01005E010203
HELD = TepTables(
    name="x",
    address=1,
    ports=PORTS,
    tenants=(
        Tenant(0, "red", (0x120001, 0x120011), flood_list=0),
        Tenant(1, "blue", (0x120002,), flood_list=1),
    ),
    macs=(
        MacTableEntry(0, GROUP_MAC, Group(2)),
        MacTableEntry(0, 0x120001000001, Local(0, 10)),
        MacTableEntry(0, 0x120001000002, Remote(0)),
        MacTableEntry(1, 0x120002000001, Local(0, 11)),
        MacTableEntry(1, 0x120002000002, Remote(1)),
    ),
    teps=(RemoteTep(0, "a", 100, (100,), (Way(1, 5),)), RemoteTep(1, "b", 101, (101,), (Way(1, 5),))),
    lists=(
        ReplicaList(0, {0: (10,), 1: (0,)}),
        ReplicaList(1, {0: (11,), 1: (1,)}),
        ReplicaList(2, {0: (10,), 1: (0,)}),
    ),
)


def macs(tables: TepTables) -> set[int]:
    return {entry.mac for entry in tables.macs}


def test_kind_changes_vacate_nothing() -> None:
    desired = replace(
        HELD,
        tenants=(
            replace(HELD.tenants[0], ouis=(0x120011,), unknown_list=0),
            HELD.tenants[1],
            Tenant(2, "g", (9,)),
        ),
        teps=(
            replace(HELD.teps[0], ways=(Way(1, 6),)),
            HELD.teps[1],
            RemoteTep(2, "c", 7, (7,), (Way(1, 5),)),
        ),
        macs=(
            *HELD.macs[1:3],
            MacTableEntry(1, 0x120002000001, Remote(1)),
            MacTableEntry(0, 5, Local(0, 12)),
        ),
        lists=(ReplicaList(0, {0: (10, 12)}), ReplicaList(1, {})),
    )
    assert vacate(HELD, desired) is HELD


def test_nothing_held() -> None:
    empty = TepTables("x", 0, PORTS)
    assert vacate(empty, HELD) is empty
    assert vacate(HELD, empty) is HELD


def test_a_tenant_index_that_means_another_tenant() -> None:
    swapped = tuple(replace(tenant, index=1 - tenant.index) for tenant in HELD.tenants)
    result = vacate(HELD, replace(HELD, tenants=swapped))
    assert result.tenants == ()
    assert result.macs == ()
    assert not any(entry.members for entry in result.lists)


@pytest.mark.parametrize(
    "change", [{"address": 200}, {"encapsulation": Encapsulation.VXLAN}, {"dscp": 0}], ids=str
)
def test_a_tep_index_that_means_another_tep(change: dict[str, Any]) -> None:
    result = vacate(HELD, replace(HELD, teps=(replace(HELD.teps[0], **change), HELD.teps[1])))
    assert [tep.index for tep in result.teps] == [1]
    assert macs(result) == macs(HELD) - {0x120001000002}
    assert result.lists == (ReplicaList(0, {0: (10,)}), HELD.lists[1], ReplicaList(2, {0: (10,)}))


def test_a_vm_that_moves_to_a_tep_that_stays_is_there_at_once() -> None:
    """Whether its TEP's number, or its own place, goes to someone else."""
    moved = tuple(
        replace(e, place=Remote(1)) if e.mac in (0x120001000001, 0x120001000002) else e for e in HELD.macs
    )
    taken = (*moved, MacTableEntry(1, 0x120002000009, Local(0, 10)))
    teps = (replace(HELD.teps[0], address=200), HELD.teps[1])
    assert vacate(HELD, replace(HELD, macs=taken, teps=teps)).macs == moved


def test_a_vm_that_moves_to_a_tep_with_a_number_that_is_vacated_waits_for_it() -> None:
    moved = tuple(replace(e, place=Remote(0)) if e.mac == 0x120001000001 else e for e in HELD.macs)
    taken = (*moved, MacTableEntry(1, 0x120002000009, Local(0, 10)))
    teps = (replace(HELD.teps[0], address=200), HELD.teps[1])
    assert 0x120001000001 not in macs(vacate(HELD, replace(HELD, macs=taken, teps=teps)))


def test_a_vlan_that_passes_to_another_tenant() -> None:
    moved = [replace(e, place=Local(0, 10)) if e.mac == 0x120002000001 else e for e in HELD.macs]
    moved = [e for e in moved if e.mac != 0x120001000001]
    result = vacate(HELD, replace(HELD, macs=tuple(moved)))
    assert macs(result) == macs(HELD) - {0x120001000001}
    assert result.lists == (ReplicaList(0, {1: (0,)}), HELD.lists[1], ReplicaList(2, {1: (0,)}))


def test_a_vlan_that_stays_in_the_tenant_is_kept() -> None:
    other = [replace(e, mac=0x120001000009) if e.mac == 0x120001000001 else e for e in HELD.macs]
    assert vacate(HELD, replace(HELD, macs=tuple(other))) is HELD


def test_a_list_that_serves_another_group() -> None:
    other = [replace(e, mac=GROUP_MAC + 1) if e.mac == GROUP_MAC else e for e in HELD.macs]
    result = vacate(HELD, replace(HELD, macs=tuple(other)))
    assert macs(result) == macs(HELD) - {GROUP_MAC}
    assert result.lists == (*HELD.lists[:2], ReplicaList(2, {}))


numbers = st.integers(0, 3)


@st.composite
def tables(draw: st.DrawFn) -> TepTables:
    """Small numbers, so that everything collides with everything."""
    ouis = draw(st.permutations(range(0x120000, 0x120008)))
    tenants = [
        Tenant(index, "", tuple(ouis[2 * index : 2 * index + 1 + draw(st.booleans())]), flood_list=index)
        for index in draw(st.sets(numbers))
    ]
    addresses = draw(st.permutations(range(100, 104)))
    teps = [
        RemoteTep(i, "", addresses[i], (addresses[i],), (Way(1, 5),))
        for i in draw(st.sets(numbers, min_size=1))
    ]
    entries, vids = [], {}
    for tenant in tenants:
        for low in draw(st.sets(numbers)):
            vid = draw(numbers)
            here = vids.setdefault(vid, tenant.index) == tenant.index and draw(st.booleans())
            place = Local(0, vid) if here else Remote(draw(st.sampled_from(teps)).index)
            entries.append(MacTableEntry(tenant.index, tenant.ouis[0] << 24 | low, place))
    lists = [
        ReplicaList(
            tenant.index,
            {
                0: tuple(
                    e.place.vid for e in entries if e.tenant == tenant.index and isinstance(e.place, Local)
                ),
                1: tuple(
                    {e.place.tep for e in entries if e.tenant == tenant.index and isinstance(e.place, Remote)}
                ),
            },
        )
        for tenant in tenants
    ]
    return TepTables("x", 1, PORTS, tuple(tenants), tuple(entries), tuple(teps), tuple(lists))


@given(tables(), tables())
def test_what_remains_and_what_comes_do_not_share_a_number(held: TepTables, desired: TepTables) -> None:
    result = vacate(held, desired)
    assert vacate(result, desired) is result, "once is enough"
    ouis = {tenant.index: set(tenant.ouis) for tenant in desired.tenants}
    for tenant in result.tenants:
        assert tenant.index not in ouis or ouis[tenant.index] & set(tenant.ouis)
    addresses = {tep.index: tep.address for tep in desired.teps}
    for tep in result.teps:
        assert addresses.get(tep.index, tep.address) == tep.address
    owners = {entry.place: entry.tenant for entry in desired.macs if isinstance(entry.place, Local)}
    for entry in result.macs:
        assert owners.get(entry.place, entry.tenant) == entry.tenant  # type: ignore[arg-type]
    users = {tenant.flood_list: tenant for tenant in desired.tenants}
    for entry in result.lists:
        for vid in entry.members.get(0, ()):
            owner = owners.get(Local(0, vid))
            assert owner is None or entry.index not in users or users[entry.index].index == owner
    assert set(result.macs) <= {*held.macs, *desired.macs}
    assert {(e.tenant, e.mac) for e in result.macs} <= {(e.tenant, e.mac) for e in held.macs}


def test_a_tenant_that_turns_to_the_other_method_gives_up_its_groups_first() -> None:
    """An entry of a group names one list with the one method, a pair with the other; flag and entry change apart."""
    red, blue = HELD.tenants
    desired = replace(
        HELD,
        tenants=(replace(red, flood_list=4, rewrites=True, group_key=True), blue),
        macs=(MacTableEntry(0, GROUP_MAC, Group(6)), *HELD.macs[1:]),
        lists=(
            HELD.lists[1],
            ReplicaList(4, {0: (10,), 1: (0,)}),
            ReplicaList(5, {0: (10,), 1: (Rewritten(0x130001, 0),)}),
            ReplicaList(6, {0: (10,), 1: (0,)}),
            ReplicaList(7, {1: (Rewritten(0x130001, 0),)}),
        ),
    )
    for before, after in ((HELD, desired), (desired, HELD)):
        result = vacate(before, after)
        assert GROUP_MAC not in macs(result)
        assert result.tenants == before.tenants
        assert vacate(result, after) is result


def test_the_list_behind_a_pair_goes_to_someone_else() -> None:
    red, blue = HELD.tenants
    held = replace(
        HELD,
        tenants=(replace(red, rewrites=True, group_key=True), replace(blue, flood_list=4)),
        macs=(),
        lists=(*HELD.lists[:2], ReplicaList(4, {0: (11,)})),
    )
    desired = replace(held, tenants=(red, replace(blue, flood_list=1)))
    result = vacate(held, desired)
    assert result.tenants[0] == red, "the pair is taken apart while its second list still is the tenant's"
    assert result.lists[1].members == {}
    assert vacate(result, desired) is result
