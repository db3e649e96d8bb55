"""The Verilated gateware and the golden model do the same with thousands of frames, good and bad."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet
from opentep.gateware.events import TRAFFIC_COUNTERS
from opentep.gateware.params import Params
from opentep.host.tables import TepTables
from opentep.sim.pcap import Packet, read_capture, write_capture
from opentep.sim.replay import ReplayResult, replay
from opentep.sim.traffic import Learning, random_tables, schedule

LEARNING_GAP = 10_000
"""Nanoseconds between frames: many times what learning takes."""
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


def both(
    tmp_path: Path, tables: TepTables, params: Params, events: list[tuple[int, int, bytes]]
) -> list[ReplayResult]:
    """Replay ``events`` (time, port, frame) with both back ends; their outputs must be equal as sets."""
    inputs = {}
    for number, port in enumerate(tables.ports):
        inputs[port.name] = tmp_path / f"in-{port.name}.pcap"
        write_capture(inputs[port.name], [Packet(time, frame) for time, p, frame in events if p == number])
    results = [
        replay(tables, inputs, tmp_path / "rtl", "rtl", params=params),
        replay(tables, inputs, tmp_path / "model", "model", params=params),
    ]
    assert frames_of(tmp_path / "rtl", tables) == frames_of(tmp_path / "model", tables)
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
    params = Params(access_ports=3, fabric_ports=1, counted_tenants=1024, known_addresses=64)
    tables = random_tables(rng, params, Learning(source=True, remote=True))
    events = schedule(tables, rng, 1000, copies=COPIES, gap=LEARNING_GAP, longest=1600)
    rtl, model = both(tmp_path, tables, params, [(e.time, e.port, e.frame) for e in events])
    assert rtl.counters == model.counters
    for group in ("teps", "tenants"):
        parties = rtl.counters[group].values()
        assert all(sum(party[name] for party in parties) for name in TRAFFIC_COUNTERS)
