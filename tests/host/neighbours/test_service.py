"""Settling with routers that do not behave."""

import itertools
from typing import Any

import pytest
from opentep.host.neighbours import service
from opentep.host.neighbours.messages import Advertisement
from opentep.host.tables import RemoteTep, TepTables, Way

ROUTER = 0xFE80 << 112 | 1
MAC = 0x02005EFF01FE


def test_settling_ends_with_a_router_that_never_sets_the_solicited_flag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "Punts", lambda _: None)
    monkeypatch.setattr(service, "_PAUSE", 0)
    ticks = itertools.count()
    tables = TepTables("rack1", 1, (), teps=(RemoteTep(0, "rack2", 2, (2,), (Way(0, 0, ROUTER),)),))
    registers: Any = None
    waiting = service.NeighbourService(registers, tables, {}, clock=lambda: next(ticks) / 4)

    def step() -> None:
        now = next(ticks) / 4
        assert now < 60
        for _ in waiting.neighbours.due(now):
            waiting.neighbours.advertised(0, Advertisement(ROUTER, MAC, False, True), now)

    monkeypatch.setattr(waiting, "step", step)
    assert waiting.settle() == {(0, ROUTER): MAC}
    assert [each.silent for each in waiting.neighbours] == [True]
