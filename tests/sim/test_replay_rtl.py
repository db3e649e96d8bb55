"""The Verilated gateware and the golden model do the same with thousands of frames, good and bad."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet
from opentep.gateware.events import TRAFFIC_COUNTERS
from opentep.gateware.params import Params
from opentep.host.events import AGED, LEARNED, MOVED, LearningEvent
from opentep.host.tables import Local, TepTables
from opentep.sim.packets import ethernet, tag, tunnel
from opentep.sim.pcap import Packet, read_capture, write_capture
from opentep.sim.replay import ReplayError, ReplayResult, replay
from opentep.sim.traffic import Aside, Learning, random_tables, schedule

LEARNING_GAP = 10_000
"""Nanoseconds between frames: many times what learning takes."""
SECOND = 1_000_000_000
ASIDE = Aside(before=5_000, behind=60_000)
"""More than it takes from the end of a frame to its verdict, and than storm control is at work on a tick."""
ANSWER_GAP = 1_000
"""Nanoseconds between frames: some are answered while others come, none finds too many before it."""
COPIES = 7
"""More than any random replica list has on one port."""


def seeds(default: int, more: int) -> list[ParameterSet]:
    """The first ``default`` seeds, and ``more`` for the long run."""
    marks = ([], [pytest.mark.long])
    return [pytest.param(seed, marks=marks[seed >= default]) for seed in range(default + more)]


def frames_of(folder: Path, tables: TepTables) -> dict[str, Counter[bytes]]:
    return {
        port.name: Counter(packet.octets for packet in read_capture(folder / f"{port.name}.pcap"))
        for port in tables.ports
    }


def told(events: list[LearningEvent]) -> tuple[list[LearningEvent], Counter[LearningEvent]]:
    """What must be equal: ageing goes through the gateware's table slot by slot."""
    return (
        [event for event in events if event.change is not AGED],
        Counter(event for event in events if event.change is AGED),
    )


def both(
    tmp_path: Path, tables: TepTables, params: Params, events: list[tuple[int, int, bytes]]
) -> list[ReplayResult]:
    """Replay ``events`` (time, port, frame) with both back ends; their outputs must be equal as sets, and what they
    tell of learned addresses in order, but for when and in which order these age."""
    inputs = {}
    for number, port in enumerate(tables.ports):
        inputs[port.name] = tmp_path / f"in-{port.name}.pcap"
        write_capture(inputs[port.name], [Packet(time, frame) for time, p, frame in events if p == number])
    results = [
        replay(tables, inputs, tmp_path / "rtl", "rtl", params=params),
        replay(tables, inputs, tmp_path / "model", "model", params=params),
    ]
    assert frames_of(tmp_path / "rtl", tables) == frames_of(tmp_path / "model", tables)
    assert told(results[0].events) == told(results[1].events)
    return results


@pytest.mark.parametrize("seed", seeds(2, 8))
@pytest.mark.parametrize(
    "params",
    [
        Params(counted_teps=0),
        Params(access_ports=3, fabric_ports=1),
        Params(
            access_ports=1,
            fabric_ports=2,
            tenant_choices=3,
            tenant_slots=4,
            counted_tenants=1024,
            storm_tenants=1024,
            known_addresses=64,
        ),
    ],
    ids=["1+1", "3+1", "1+2"],
)
def test_random_traffic(tmp_path: Path, params: Params, seed: int) -> None:
    rng = random.Random(seed)
    tables = random_tables(rng, params)
    events = schedule(tables, rng, 1000, copies=COPIES, longest=1600)
    rtl, model = both(tmp_path, tables, params, [(e.time, e.port, e.frame) for e in events])
    assert rtl.counters == model.counters


EVERYTHING = Params(
    access_ports=2,
    fabric_ports=2,
    tenant_choices=3,
    tenant_slots=4,
    counted_tenants=1024,
    storm_tenants=1024,
    known_addresses=64,
    packet_bytes=65536,
)


@pytest.mark.parametrize("seed", seeds(1, 5))
@pytest.mark.parametrize(
    "width", [pytest.param(width, marks=pytest.mark.long) for width in (64, 128, 256)] + [512]
)
def test_wider_cores(tmp_path: Path, width: int, seed: int) -> None:
    """With all that a core can have."""
    rng = random.Random(seed)
    params = replace(EVERYTHING, width=width)
    tables = random_tables(rng, params)
    events = schedule(tables, rng, 1000, copies=COPIES, longest=1600)
    rtl, model = both(tmp_path, tables, params, [(e.time, e.port, e.frame) for e in events])
    assert rtl.counters == model.counters


def test_a_rate_above_the_datapath(tmp_path: Path) -> None:
    tables = random_tables(random.Random(1), Params())
    source = tmp_path / "in.pcap"
    write_capture(source, [Packet(0, bytes(60))])
    with pytest.raises(ReplayError, match="rate must be from 1 to"):
        replay(tables, {tables.ports[0].name: source}, tmp_path / "out", rate=10**12, params=Params())


@pytest.mark.parametrize("seed", seeds(1, 2))
def test_jumbo_frames(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    params = Params()
    tables = random_tables(rng, params)
    events = schedule(tables, rng, 300, copies=COPIES, gap=1_000)
    rtl, model = both(tmp_path, tables, params, [(e.time, e.port, e.frame) for e in events])
    assert rtl.counters == model.counters


@pytest.mark.parametrize("seed", seeds(2, 8))
def test_suppression(tmp_path: Path, seed: int) -> None:
    """Where all tenants have their requests answered."""
    rng = random.Random(seed)
    params = Params(access_ports=3, fabric_ports=1, counted_tenants=1024, known_addresses=64)
    tables = random_tables(rng, params)
    tenants = tuple(replace(tenant, suppresses=True) for tenant in tables.tenants)
    tables = replace(tables, tenants=tenants)
    events = schedule(tables, rng, 2000, copies=COPIES, gap=ANSWER_GAP, longest=140)
    rtl, model = both(tmp_path, tables, params, [(e.time, e.port, e.frame) for e in events])
    assert rtl.counters == model.counters
    assert rtl.counters["suppression"]["answered"] > 0


@pytest.mark.parametrize("seed", seeds(1, 4))
def test_learning(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    params = Params(
        access_ports=3, fabric_ports=1, counted_tenants=1024, storm_tenants=1024, known_addresses=64
    )
    tables = random_tables(rng, params, Learning(source=True, remote=True), storm=True)
    events = schedule(tables, rng, 1000, copies=COPIES, gap=LEARNING_GAP, aside=ASIDE, longest=1600)
    rtl, model = both(tmp_path, tables, params, [(e.time, e.port, e.frame) for e in events])
    assert rtl.counters == model.counters
    assert {event.change for event in rtl.events} == {LEARNED, MOVED}
    for group in ("teps", "tenants"):
        parties = rtl.counters[group].values()
        assert all(sum(party[name] for party in parties) for name in TRAFFIC_COUNTERS)


def test_ageing(tmp_path: Path) -> None:
    """Two of five addresses are refreshed in the middle of their life. The gateware has scans, the model has clocks:
    both have forgotten all when traffic ends."""
    params = Params()
    tables = replace(
        random_tables(random.Random(1), params, Learning(source=True)), age_seconds=8, learned_limit=5
    )
    tenant = next(tenant for tenant in tables.tenants if tenant.learn_source and tenant.ouis)
    vid = tenant.vlan or 0x155
    frames = [
        tag(ethernet(0xFFFFFFFFFFFF, tenant.ouis[0] << 24 | 0x777000 + number, 0x88B5, bytes(46)), vid)
        for number in range(5)
    ]
    events = [(number * LEARNING_GAP, 0, frame) for number, frame in enumerate(frames)]
    events += [(4 * SECOND, 0, frames[1]), (4 * SECOND + LEARNING_GAP, 0, frames[3])]
    events.append((24 * SECOND, 0, bytes(60)))
    rtl, model = both(tmp_path, tables, params, events)
    assert rtl.counters == model.counters
    for result in (rtl, model):
        lives = {event.mac & 0xF: event.time / SECOND for event in result.events if event.change is AGED}
        assert sorted(lives) == list(range(5))
        for number, life in lives.items():
            seen = 4 if number in (1, 3) else 0
            assert 0.75 * 8 <= life - seen <= 1.25 * 8 + 1


def test_another_way_from_the_same_tep_is_no_move(tmp_path: Path) -> None:
    """Nor is it after a while, when the entry is refreshed."""
    params = Params(access_ports=1, fabric_ports=2, tenant_choices=3, tenant_slots=4, counted_tenants=1024)
    tables = random_tables(random.Random(2), params, Learning(remote=True))
    tenant = next(tenant for tenant in tables.tenants if tenant.learn_remote and tenant.ouis)
    inner = ethernet(0xFFFFFFFFFFFF, tenant.ouis[0] << 24 | 0x777777, 0x88B5, bytes(46))
    source = tables.teps[0].sources[0]
    events = [
        (
            seconds * SECOND,
            port,
            tunnel(tables.ports[port].mac, 0x020000000001, source, tables.address, inner),
        )
        for seconds, port in ((0, 1), (1, 2), (tables.age_seconds // 2, 1), (tables.age_seconds, 2))
    ]
    rtl, model = both(tmp_path, tables, params, events)
    assert rtl.counters == model.counters
    assert (rtl.counters["mac"]["learned"], rtl.counters["mac"]["moved"]) == (1, 0)


def limits(tables: TepTables) -> bool:
    """Some tenant with VMs here has a limit that is soon met."""
    tight = {t.index for t in tables.tenants if t.storm and t.storm.burst <= 10 and t.storm.rate < 1000}
    return any(entry.tenant in tight and isinstance(entry.place, Local) for entry in tables.macs)


@pytest.mark.parametrize("seed", seeds(2, 8))
def test_storm_control(tmp_path: Path, seed: int) -> None:
    """Of frames one after the other, so that it is clear who gets the last token."""
    rng = random.Random(seed)
    params = Params(access_ports=2, fabric_ports=1, tenants=64, counted_tenants=64, storm_tenants=64)
    tables = next(
        tables for tables in iter(lambda: random_tables(rng, params, storm=True), None) if limits(tables)
    )
    events = schedule(tables, rng, 1500, gap=1_000, aside=ASIDE, longest=1600)
    rtl, model = both(tmp_path, tables, params, [(e.time, e.port, e.frame) for e in events])
    assert rtl.counters == model.counters
    assert sum(port["drops"]["storm"] for port in rtl.counters["ports"].values()) > 20
