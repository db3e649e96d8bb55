"""The driver against the real gateware, Verilated: what it writes is what it reads back."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from opentep.gateware.params import Params
from opentep.host.driver import Driver
from opentep.host.registers import RegisterAccess
from opentep.host.tables import TepTables
from opentep.sim.board import VirtualBoard
from opentep.sim.random_tables import Learning, random_tables

PARAMS = Params()


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    with VirtualBoard(PARAMS) as board:
        yield Driver(RegisterAccess(board.link_client()), drain_seconds=0)


def nothing(tables: TepTables) -> TepTables:
    return replace(tables, tenants=(), macs=(), teps=(), lists=())


@pytest.mark.parametrize("seed", range(3))
def test_written_is_read_back(driver: Driver, seed: int) -> None:
    tables = random_tables(random.Random(seed), PARAMS, Learning(source=True, remote=True))
    planned = driver.plan(tables)
    assert planned
    assert driver.apply(tables) == planned
    assert driver.plan(tables) == []
    held = driver.read()
    assert held.enabled
    assert {(entry.tenant, entry.mac): entry.place for entry in held.tables.macs} == {
        (entry.tenant, entry.mac): entry.place for entry in tables.macs
    }


def test_down_to_nothing_and_up_again(driver: Driver) -> None:
    tables = random_tables(random.Random(9), PARAMS)
    driver.apply(tables)
    driver.apply(nothing(tables))
    held = driver.read()
    assert held.tables.macs == held.tables.tenants == held.tables.teps == held.tables.lists == ()
    driver.apply(tables)
    assert driver.plan(tables) == []


def test_status_and_counters(driver: Driver) -> None:
    status = driver.status()
    assert status["cells_used"] == 0
    assert set(driver.counters()) == {"ports", "teps", "tenants", "mac", "punt", "suppression"}
