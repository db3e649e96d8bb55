"""Storm control, with times written out by hand."""

from dataclasses import replace

import pytest
from opentep.gateware.params import Params
from opentep.host.tables import Storm, TepTables
from opentep.sim.model import TepModel

PARAMS = Params(access_ports=2, storm_tenants=16, counted_tenants=16)
SECOND = 1_000_000_000
RED, BLUE = 5, 6
TO_ALL, UNKNOWN, RED2 = "ffffffffffff", "a20001000077", "a20001000002"
RED1, BLUE1 = "a20001000001", "b20001000001"


def frame(dst: str, src: str = RED1, vid: int = 10) -> bytes:
    return (bytes.fromhex(dst + src) + b"\x81\x00" + vid.to_bytes(2, "big") + b"\x88\xb5").ljust(60, b"\0")


@pytest.fixture
def limited(tables: TepTables) -> TepTables:
    """Red may send two frames per second, and three at once; blue has no limit."""
    red, blue = tables.tenants
    return replace(tables, tenants=(replace(red, storm=Storm(2, 3)), blue))


def passes(model: TepModel, octets: bytes, time: int = 0) -> bool:
    return bool(model.receive(0, octets, time))


def storm_drops(model: TepModel) -> int:
    return model.counters()["ports"]["server0"]["drops"]["storm"]


def test_burst_then_rate(limited: TepTables) -> None:
    model = TepModel(limited, PARAMS)
    assert [passes(model, frame(TO_ALL)) for _ in range(5)] == [True, True, True, False, False]
    half = SECOND // 2
    assert not passes(model, frame(TO_ALL), half - 1)
    assert passes(model, frame(TO_ALL), half)
    assert not passes(model, frame(TO_ALL), half)
    assert [passes(model, frame(TO_ALL), 10 * SECOND) for _ in range(4)] == [True, True, True, False]
    assert storm_drops(model) == 5
    assert model.counters()["tenants"]["red"]["rx_frames"] == 7


def test_tokens_come_in_ticks(limited: TepTables) -> None:
    """With 4,096 frames per second one per tick, and none in between."""
    red, blue = limited.tenants
    fast = replace(limited, tenants=(replace(red, storm=Storm(4096, 1)), blue))
    model = TepModel(fast, PARAMS)
    ticks = [0, 244_141, 488_282, 732_422]  # the first nanosecond from each of them on
    for time in ticks:
        if time:
            assert not passes(model, frame(TO_ALL), time - 1)
        assert passes(model, frame(TO_ALL), time)


def test_floods_count_too(limited: TepTables) -> None:
    model = TepModel(limited, PARAMS)
    assert [passes(model, frame(dst)) for dst in (UNKNOWN, TO_ALL, UNKNOWN, UNKNOWN)] == [True] * 3 + [False]


def test_what_takes_no_token(limited: TepTables) -> None:
    model = TepModel(limited, PARAMS)
    spoofed = frame(TO_ALL, vid=20)
    for octets in (frame(RED2), spoofed, frame(TO_ALL, BLUE1, 11)):
        for _ in range(5):
            model.receive(0, octets)
    model.receive(0, frame(TO_ALL), error=True)
    assert storm_drops(model) == 0
    assert [passes(model, frame(TO_ALL)) for _ in range(4)] == [True] * 3 + [False]


def test_a_source_is_learned_though_its_frame_is_dropped(limited: TepTables) -> None:
    red, blue = limited.tenants
    learning = replace(limited, tenants=(replace(red, learn_source=True), blue))
    model = TepModel(learning, PARAMS)
    for _ in range(3):
        model.receive(0, frame(TO_ALL))
    assert model.receive(0, frame(TO_ALL, "a20001000099", 77)) == []
    assert storm_drops(model) == 1
    assert model.counters()["mac"]["learned"] == 1


def test_tenants_beyond_the_table_have_no_limit(limited: TepTables) -> None:
    model = TepModel(limited, replace(PARAMS, storm_tenants=0))
    assert all(passes(model, frame(TO_ALL)) for _ in range(9))
