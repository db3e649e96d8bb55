"""The driver against a register space in memory: from any state to any other, without mixtures."""

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from opentep.gateware.events import TRAFFIC_COUNTERS
from opentep.gateware.headers import GROUP_BIT
from opentep.host.driver import Driver, DriverError
from opentep.host.encode import NO_STORM
from opentep.host.held import Held
from opentep.host.link.protocol import Read, Write
from opentep.host.registers import RegisterAccess
from opentep.host.tables import OUI_KEY, KeyMask, Local, MacTableEntry, Remote, Storm, Tenant, TepTables

from .driver_bench import PARAMS, configurations, device, driver, lasting, normal

__all__ = ["device", "driver"]


def test_a_fresh_tep(driver: Driver) -> None:
    (tables,) = configurations(0, 1)
    assert {change.action for change in driver.plan(tables)} <= {"add", "change"}
    changes = driver.apply(tables)
    assert any(change.kind == "forwarding" for change in changes)
    held = driver.read()
    assert held.enabled
    assert normal(held.tables) == normal(tables)
    assert driver.registers.read("hash_seed") != 0
    assert driver.plan(tables) == []


def test_applying_twice_writes_nothing(driver: Driver, device) -> None:
    (tables,) = configurations(1, 1)
    driver.apply(tables)
    before = device.changes
    assert driver.apply(tables) == []
    assert device.changes == before


def test_a_lasting_driver_reads_little(device) -> None:
    driver = lasting(device)
    (tables,) = configurations(1, 1)
    driver.apply(tables)
    driver.plan(tables)  # reads what was neither read nor written so far
    words = 0
    execute = device.execute

    def counted(requests):
        nonlocal words
        requests = list(requests)
        words += sum(r.count if isinstance(r, Read) else len(r.words) for r in requests)
        return execute(requests)

    device.execute = counted
    less = replace(tables, macs=tables.macs[:-1])
    driver.apply(less)
    assert words < 60, "a deletion, and how many insertions were refused"
    assert driver.plan(less) == []
    driver.forget()
    assert driver.plan(less) == []
    assert words > 1000


@pytest.mark.parametrize("seed", range(6))
def test_from_anything_to_anything(driver: Driver, seed: int) -> None:
    for tables in configurations(seed, 4):
        planned = driver.plan(tables)
        assert driver.apply(tables) == planned
        assert normal(driver.read().tables) == normal(tables)
        assert driver.plan(tables) == []


@contextmanager
def cut_after(device, left: int) -> Iterator[None]:
    """The link is lost after ``left`` changes, 0 for never; so ends the block."""

    def cut(_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise ConnectionError

    device.after = cut
    with suppress(ConnectionError):
        yield
    device.after = lambda _: None


@pytest.mark.parametrize(
    "seed", [*range(12), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(12, 400))]
)
def test_interrupted_anywhere(memory_device, seed: int) -> None:
    """A link that is lost, and an agent that connects anew, whatever it is to bring then."""
    device = memory_device(PARAMS)
    rng = random.Random(seed)
    sequence = [tables for tables in configurations(seed, 4) for _ in range(rng.choice((1, 1, 2)))]
    for tables in [*sequence, *sequence[-2:]]:
        driver = lasting(device)
        with cut_after(device, rng.choice((1, 3, 10, 30, 100, 300, 1000))):
            driver.apply(tables)
        if rng.random() < 0.5:  # something else, or the same again
            driver = lasting(device)
            driver.apply(tables)
            assert normal(driver.read().tables) == normal(tables)
            driver.forget()
            held = driver.read()
            assert normal(held.tables) == normal(tables)
            assert not held.learned


@pytest.mark.parametrize("left", [0, 20, 40, 60, 80, 100])
def test_a_full_tenant_table_goes_by_other_masks(device, left: int) -> None:
    """There is no room for the keys of both, nor is there where the change was cut short."""
    oui, vlan, fabric = OUI_KEY, KeyMask(0, 0xFFF), KeyMask(OUI_KEY.mac | 1 << GROUP_BIT)
    tenants = [Tenant(k, f"t{k}", ouis=(0x120000 + 4 * k,), vlan=1 + k) for k in range(14)]
    (drawn,) = configurations(1, 1)
    both, either = (
        replace(
            drawn,
            tenants=tuple(tenants),
            ports=tuple(replace(port, key_mask=mask) for port, mask in zip(drawn.ports, masks, strict=True)),
            **dict.fromkeys(("macs", "lists", "rules", "known"), ()),
        )
        for masks in ((KeyMask(oui.mac, vlan.vid),) * 2 + (fabric,) * 2, (oui, vlan, fabric, fabric))
    )
    driver = lasting(device)
    driver.apply(both)
    with cut_after(device, left):
        driver.apply(either)
    for tables in (both, either):
        driver = lasting(device)
        driver.apply(tables)
        assert normal(driver.read().tables) == normal(tables)


def test_interrupted_while_a_tep_goes_before_next_hops_are_looked_for(
    driver: Driver, device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its MACs stay behind without it."""
    (tables,) = configurations(2, 1)
    gone = next(entry.place for entry in tables.macs if isinstance(entry.place, Remote))
    less = replace(
        tables,
        teps=tuple(tep for tep in tables.teps if tep.index != gone.tep),
        macs=tuple(entry for entry in tables.macs if entry.place != gone),
        lists=(),
    )
    driver.apply(tables)
    sources = device.memory_map["source_slots"]

    def cut(request: Write) -> None:
        if sources.start <= request.address < sources.end:
            raise ConnectionError

    device.after = cut
    with pytest.raises(ConnectionError):
        driver.apply(less)
    device.after = lambda _: None
    routed = (
        replace(tep, ways=tuple(replace(way, router=0xFE80 << 112 | 1) for way in tep.ways))
        for tep in less.teps
    )
    monkeypatch.setattr(Driver, "_discover", lambda *_: less)
    driver.apply(replace(less, teps=tuple(routed)))
    assert normal(driver.read().tables) == normal(less)


def test_down_to_nothing(driver: Driver) -> None:
    (tables,) = configurations(2, 1)
    driver.apply(tables)
    driver.apply(replace(tables, tenants=(), macs=(), teps=(), lists=(), rules=(), known=()))
    held = driver.read()
    assert held.tables.tenants == held.tables.macs == held.tables.teps == held.tables.lists == ()
    assert held.keys == {"tenant": {}, "source": {}, "rule": {}, "known": {}}
    assert held.storm == [NO_STORM] * PARAMS.limited_tenants


def meaning(tables: TepTables) -> dict[tuple[int, int], object]:
    """Where frames to a MAC end up, without any number that a configuration may choose: (OUI, MAC) → where."""
    teps = {tep.index: (tep.address, frozenset(tep.ways)) for tep in tables.teps}
    tenants = {tenant.index: tenant.ouis for tenant in tables.tenants}
    result: dict[tuple[int, int], object] = {}
    for entry in tables.macs:
        for oui in tenants.get(entry.tenant, ()):
            match entry.place:
                case Local() as place:
                    result[oui, entry.mac] = place
                case Remote(tep):
                    result[oui, entry.mac] = teps.get(tep)
    return result


def receivers(tables: TepTables) -> dict[int, set[object]]:
    """Who gets the flooded frames of an OUI."""
    teps = {tep.index: tep.address for tep in tables.teps}
    lists = {entry.index: entry.members for entry in tables.lists}
    result: dict[int, set[object]] = {}
    for tenant in tables.tenants:
        for oui in tenant.ouis:
            for port, members in lists.get(tenant.flood_list, {}).items():
                for member in members:
                    who = teps.get(member) if PARAMS.is_fabric(port) else Local(port, member)
                    result.setdefault(oui, set()).add(who)
    return result


def judge(now: Held, before: TepTables, after: TepTables, vacated: bool) -> None:
    """Every frame is treated as before or after; what changes hands may be missing, never be another's."""
    old, new, current = meaning(before), meaning(after), meaning(now.tables)
    for key, where in current.items():
        if where is not None:
            assert where in (old.get(key), new.get(key)), (key, where)
    if not vacated:
        for key in old.keys() & new.keys():
            if old[key] == new[key]:
                assert current.get(key) == old[key], "a frame that no change concerns is lost"
    old_receivers, new_receivers = receivers(before), receivers(after)
    for oui, who in receivers(now.tables).items():
        allowed = old_receivers.get(oui, set()) | new_receivers.get(oui, set())
        assert who - {None} <= allowed, "a flooded frame reaches someone it should not"


@pytest.mark.parametrize("seed", range(6))
def test_no_mixture_at_any_instant(driver: Driver, device, seed: int) -> None:
    before, after = configurations(100 + seed, 2)
    driver.apply(before)
    after = replace(after, address=before.address)
    observer = Driver(RegisterAccess(device), drain_seconds=0)
    from opentep.host.transition import vacate

    vacated = vacate(normal(before), after) != normal(before)
    rng = random.Random(seed)

    def observe(request: object) -> None:
        if rng.random() < 0.1:
            judge(observer.read(), before, after, vacated)

    device.after = observe
    driver.apply(after)


@pytest.mark.parametrize("seed", range(4))
def test_small_changes_disturb_nobody(driver: Driver, device, seed: int) -> None:
    """VMs come, go and move; nothing is vacated and nothing else is interrupted."""
    rng = random.Random(seed)
    (tables,) = configurations(200 + seed, 1)
    driver.apply(tables)
    observer = Driver(RegisterAccess(device), drain_seconds=0)
    for _ in range(6):
        macs = list(tables.macs)
        victim = rng.randrange(len(macs))
        macs[victim] = replace(macs[victim], place=Local(0, rng.randrange(3000, 4000)))
        if rng.random() < 0.5 and len(macs) > 1:
            macs.pop(rng.randrange(len(macs)))
        tenant = rng.choice(tables.tenants)
        mac = tenant.ouis[0] << 24 | rng.randrange(1 << 24)
        macs.append(MacTableEntry(tenant.index, mac, Local(1, rng.randrange(3000, 4000))))
        if len({(entry.tenant, entry.mac) for entry in macs}) < len(macs):
            continue
        after = replace(tables, macs=tuple(macs))
        device.after = lambda request, before=tables, after=after: judge(
            observer.read(), before, after, False
        )
        driver.apply(after)
        tables = after


def test_wrong_ports(driver: Driver) -> None:
    (tables,) = configurations(3, 1)
    with pytest.raises(
        DriverError, match="1 access and 2 fabric ports, but it was built with 2 access and 2"
    ):
        driver.apply(replace(tables, ports=tables.ports[1:]))


def test_a_limit_changes_alone(driver: Driver, device) -> None:
    (tables,) = configurations(3, 1)
    driver.apply(tables)
    before = device.changes
    first, *others = tables.tenants
    changed = replace(tables, tenants=(replace(first, storm=Storm(7, 70)), *others))
    (change,) = driver.apply(changed)
    assert change.kind == "tenant" and "storm control 7 frames/s, 70 at once" in change.after
    assert device.changes == before + 1


def test_progress(driver: Driver) -> None:
    (tables,) = configurations(4, 1)
    seen: list[tuple[int, int]] = []
    driver.apply(tables, lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] > 0
    assert seen == sorted(seen)


def test_counters_have_the_model_s_names(driver: Driver) -> None:
    from opentep.sim.model import TepModel

    (tables,) = configurations(6, 1)
    assert driver.counters(tables) == TepModel(tables, PARAMS).counters()


def test_traffic_by_name_and_by_index(device) -> None:
    """Of the TEPs that the document or the TEP itself knows, those with counters."""
    (tables,) = configurations(11, 1)
    driver = Driver(RegisterAccess(device), drain_seconds=0)
    driver.apply(tables)
    start = device.memory_map["tep_counters"].start
    for number in range(4 * PARAMS.tep_counters):
        device.words[start + 2 * number] = number
        device.words[start + 2 * number + 1] = 1
    values = {tep.index: [(1 << 32) + 4 * tep.index + k for k in range(4)] for tep in tables.teps}
    assert values
    for names, counters in (
        ({tep.index: tep.name for tep in tables.teps}, driver.counters(tables)),
        ({tep.index: f"tep{tep.index}" for tep in tables.teps}, driver.counters()),
    ):
        assert counters["teps"] == {
            names[index]: dict(zip(TRAFFIC_COUNTERS, values[index], strict=True)) for index in names
        }
        assert counters["tenants"] == {}


def test_entries_that_nothing_refers_to_do_not_hinder_a_fresh_start(driver: Driver, device) -> None:
    (tables,) = configurations(7, 1)
    device.learn(3, 0x120001000001, {"kind": 0, "port": 0, "id": 9})
    driver.registers.table("tenant_stash").write(0, {"valid": 0, "key": 5, "value": 1})
    slots = driver.registers.table("tenant_slots")
    slots.write(len(slots) - 1, {"valid": 1, "key": 0, "value": 1})
    driver.apply(tables)
    assert normal(driver.read().tables) == normal(tables)
    assert driver.read().learned == ()


def test_learned_entries_stay_unless_they_contradict(driver: Driver, device) -> None:
    (tables,) = configurations(8, 1)
    tenant = replace(tables.tenants[0], learn_source=True, learn_remote=False)
    tables = replace(tables, tenants=(tenant, *tables.tenants[1:]))
    driver.apply(tables)
    local, remote = tenant.ouis[0] << 24 | 0xFFFF01, tenant.ouis[0] << 24 | 0xFFFF02
    device.learn(tenant.index, local, {"kind": 0, "port": 0, "id": 3999})
    device.learn(tenant.index, remote, {"kind": 1, "port": 2, "id": tables.teps[0].index})
    driver.apply(replace(tables, age_seconds=100))
    assert [learned.entry.mac for learned in driver.read().learned] == [local]
    strict = replace(tenant, learn_source=False)
    driver.apply(replace(tables, age_seconds=100, tenants=(strict, *tables.tenants[1:])))
    assert driver.read().learned == ()
