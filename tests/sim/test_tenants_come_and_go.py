"""Whole tenants and remote TEPs come and go at a TEP whose tables are nearly full, while traffic runs at line rate.

As in test_table_changes.py, but the tables are those that the controller makes of a fabric: numbers that become free
are given to others at once, VLAN IDs too. The driver vacates them first, and waits until queues have drained.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
from opentep.host.driver import Driver
from opentep.host.registers import RegisterAccess
from opentep.host.tables import TepTables
from opentep.host.transition import vacate
from opentep.host.usage import usage
from opentep.sim.board import VirtualBoard
from opentep.sim.traffic import Traffic

from .population import Population
from .table_changes import PARAMS, RATE, Stream, everything_left, judge, nothing_overflowed

AHEAD = 2000
"""Frames per port that wait when a change begins: more than it lasts."""
DRAIN_SECONDS = 100e-6
"""Longer than a frame waits where what leaves has room."""
TENANTS, TEPS = 58, 30
LONG = (pytest.mark.long, pytest.mark.timeout(1800))

Change = Callable[[random.Random, Population], Population]


def absent(rng: random.Random, present: set[int], most: int, count: int) -> list[int]:
    """Who has not been there, or not for a while."""
    return rng.sample(sorted(set(range(most)) - present), count)


def tenants_come(rng: random.Random, now: Population) -> Population:
    room = TENANTS + 1 - len(now.tenants)
    return now.joined_by(tenants=absent(rng, set(now.tenants), 80, room))


def tenants_go(rng: random.Random, now: Population) -> Population:
    return now.without(tenants=rng.sample(sorted(now.tenants), len(now.tenants) - TENANTS))


def tenants_change_places(rng: random.Random, now: Population) -> Population:
    """Two go; those that come get their numbers and VLAN IDs."""
    others = absent(rng, set(now.tenants), 80, 2)
    return now.without(tenants=rng.sample(sorted(now.tenants), 2)).joined_by(tenants=others)


def teps_come(rng: random.Random, now: Population) -> Population:
    """VMs of many tenants move there."""
    return now.joined_by(teps=absent(rng, set(now.teps), 40, TEPS + 2 - len(now.teps)))


def teps_go(rng: random.Random, now: Population) -> Population:
    """Their VMs move to others."""
    return now.without(teps=rng.sample(sorted(now.teps), len(now.teps) - TEPS))


def teps_change_places(rng: random.Random, now: Population) -> Population:
    """One goes; the one that comes gets its number, mostly with another encapsulation."""
    others = absent(rng, set(now.teps), 40, 1)
    return now.without(teps=rng.sample(sorted(now.teps), 1)).joined_by(teps=others)


def all_at_once(rng: random.Random, now: Population) -> Population:
    return teps_change_places(rng, tenants_change_places(rng, now))


CHANGES: tuple[Change, ...] = (
    tenants_come,
    teps_come,
    tenants_change_places,
    teps_change_places,
    tenants_go,
    teps_go,
    all_at_once,
)


def concerned(before: TepTables, after: TepTables) -> set[int]:
    """Tenant indices that mean another tenant, or whose VMs or lists are others."""
    macs = set(before.macs) ^ set(after.macs)
    tenants = set(before.tenants) ^ set(after.tenants)
    return {entry.tenant for entry in macs} | {tenant.index for tenant in tenants}


def focus(rng: random.Random, tables: TepTables, tenants: set[int]) -> TepTables:
    """Only ``tenants`` and as many others, for traffic in which they are not rare."""
    others = sorted({tenant.index for tenant in tables.tenants} - tenants)
    some = tenants | set(rng.sample(others, min(len(others), len(tenants))))
    return replace(
        tables,
        tenants=tuple(tenant for tenant in tables.tenants if tenant.index in some),
        macs=tuple(entry for entry in tables.macs if entry.tenant in some),
    )


def traffic(rng: random.Random, port: int, before: TepTables, after: TepTables) -> Iterator[bytes]:
    """Of those that come as of those that go, and of those that stay."""
    tenants = concerned(before, after)
    sources = [
        Traffic(tables, rng, port, mutation=0.0, longest=400)
        for tables in (after, focus(rng, before, tenants), focus(rng, after, tenants))
    ]
    while True:
        yield rng.choice(sources).frame()


def stages(before: TepTables, after: TepTables) -> list[TepTables]:
    """Numbers that change hands mean nobody in between; then TEPs are known, and replica lists change, before all
    else."""
    vacated = vacate(before, after)
    teps = {tep.index: tep for tep in (*after.teps, *vacated.teps)}
    lists = {entry.index: entry for entry in (*vacated.lists, *after.lists)}
    listed = replace(vacated, teps=tuple(teps.values()), lists=tuple(lists.values()))
    return [before, vacated, listed, after]


def test_tables_are_nearly_full() -> None:
    tables = Population({}, frozenset(range(TEPS))).joined_by(range(TENANTS)).tables()
    fill = {use.table: use.used / use.room for use in usage(tables, PARAMS) if use.room}
    assert all(fill[table] >= 0.9 for table in ("tenants", "tenant_keys", "macs", "teps", "lists")), fill


@pytest.mark.parametrize("seed, rounds", [(1, 1), pytest.param(2, 5, marks=LONG)])
def test_tenants_and_teps_come_and_go(seed: int, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, noise = random.Random(seed), random.Random(seed)
    # What leaves has room: replicas and outer headers make more of it than came.
    board = VirtualBoard(PARAMS, rate=RATE, tx_rate=4 * RATE)
    monkeypatch.setattr(
        "opentep.host.driver.time.sleep", lambda seconds: board.run(board.time_ns + int(seconds * 1e9))
    )
    # A hash seed that has room for all that comes.
    monkeypatch.setattr("opentep.host.driver.secrets", SimpleNamespace(randbits=rng.getrandbits))
    driver = Driver(RegisterAccess(board.link_client()), drain_seconds=DRAIN_SECONDS)
    population = Population({}, frozenset(range(TEPS))).joined_by(range(TENANTS))
    before = population.tables()
    driver.apply(before)
    streams = [Stream(port, iter(())) for port in range(PARAMS.ports)]
    changes: list[list[TepTables]] = []
    marks: list[list[int]] = []
    for change in CHANGES * rounds:
        population = change(rng, population)
        after = population.tables()
        for stream in streams:
            stream.source = traffic(noise, stream.port, before, after)
            stream.top_up(board, AHEAD)
        marks.append([stream.entered(board) for stream in streams])
        driver.apply(after)
        changes.append(stages(before, after))
        before = after
        assert all(board.pending(port) for port in range(PARAMS.ports)), "the wire fell silent"
    marks.append([stream.entered(board) for stream in streams])

    left = everything_left(board)
    unconcerned, met_changes = judge(streams, changes, marks, left)
    assert unconcerned > 5_000
    assert met_changes > 200
    with pytest.raises(AssertionError):
        judge(streams, [changes[0][:1]] * len(changes), marks, left)
    assert nothing_overflowed(driver, before)
