"""Nothing is given out again before frames have left that were judged by it."""

from dataclasses import replace

import pytest
from opentep.gateware.csr.codec import Codec
from opentep.gateware.headers import OUTER_BYTES, Encapsulation
from opentep.gateware.params import CELL_BYTES, MIN_FRAME, Params
from opentep.gateware.phy.gmii import Speed
from opentep.host.drain import drain_seconds, longest_lists
from opentep.host.driver import Driver
from opentep.host.registers import RegisterAccess
from opentep.host.tables import RemoteTep, ReplicaList, TepTables, Way
from opentep.sim.wire import OVERHEAD

from .driver_bench import configurations, device

__all__ = ["device"]


def test_a_queue_of_any_frames_is_empty_by_then():
    params = Params(packet_bytes=65536)
    overhead = OUTER_BYTES + max(kind.overhead for kind in Encapsulation) + OVERHEAD
    for length in range(MIN_FRAME, params.max_frame + 1):
        cells = -(-length // CELL_BYTES)
        frames = params.cells // 2 // cells + 1
        seconds = frames * 50 * (length + overhead) * 8 / 1e8
        assert seconds <= drain_seconds(params, {0: 50, 1: 500}, {0: Speed.MBIT_100})


def test_few_copies_at_full_speed_take_what_nobody_counts():
    assert drain_seconds(Params(), {0: 20}, {0: Speed.MBIT_1000}) == 0.1


def test_the_driver_waits_for_the_longest_list(device, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("opentep.host.driver.time.sleep", slept.append)
    some = next(configurations(3, 1))
    long = ReplicaList(0, {0: tuple(range(10, 60)), 2: (0,)})
    tables = replace(some, tenants=(), macs=(), known=(), rules=(), lists=(long,))
    link = device.memory_map["port[0].link"]
    state = {"up": 1, "speed": Speed.MBIT_100, "full_duplex": 1}
    device.words[link.start] = Codec(link.element.shape).to_words(state)[0]
    driver = Driver(RegisterAccess(device))
    driver.apply(tables)
    slept.clear()
    # The list gets another tenant's VMs.
    driver.apply(replace(tables, lists=(replace(long, members={0: tuple(range(60, 110))}),)))
    assert longest_lists([tables]) == {0: 50, 2: 1}
    assert max(slept) == drain_seconds(driver.params, {0: 50}, {0: Speed.MBIT_100}) > 0.1


def test_a_number_that_was_given_up_lately_is_not_given_out(device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames for who had it may still wait, though nothing is vacated."""
    slept: list[float] = []
    monkeypatch.setattr("opentep.host.driver.time.sleep", slept.append)
    clock = [100.0]
    monkeypatch.setattr("opentep.host.departed.time.monotonic", lambda: clock[0])
    some = next(configurations(3, 1))
    rack = RemoteTep(5, "rack", 5, (5,), (Way(2, 0x02_00_00_00_00_01),))
    without = replace(some, tenants=(), macs=(), known=(), rules=(), lists=(), teps=())
    tables = replace(without, teps=(rack,))
    other = replace(without, teps=(replace(rack, address=7, sources=(7,)),))
    driver = Driver(RegisterAccess(device), drain_seconds=5)

    def waits(desired: TepTables) -> float:
        slept.clear()
        driver.apply(desired)
        return sum(slept)

    driver.apply(tables)
    assert waits(without) == 0
    clock[0] += 1
    assert waits(tables) == 0, "the one that had it gets it back"
    assert waits(without) == 0
    clock[0] += 2
    assert waits(other) == 3
    assert waits(without) == 0
    clock[0] += 6
    assert waits(tables) == 0, "so long ago that nothing waits any more"
