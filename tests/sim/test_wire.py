"""Timing of frames on the wire."""

import pytest
from opentep.sim.wire import Lane, Slot, pad


def test_minimum_frames_at_a_gigabit() -> None:
    lane = Lane()
    # 1,488,095 frames per second: 84 octet times of 8 ns each.
    assert [lane.send(length, 0) for length in (60, 60, 14)] == [
        Slot(0, 512),
        Slot(672, 672 + 512),
        Slot(1344, 1344 + 512),
    ]


def test_a_frame_waits_for_its_time() -> None:
    lane = Lane()
    assert lane.send(1514, 10_000) == Slot(10_000, 10_000 + 1518 * 8)
    assert lane.send(60, 10_001).start == 10_000 + 1538 * 8
    assert lane.send(60, 90_000).start == 90_000


@pytest.mark.parametrize(("rate", "octets", "time"), [(10**10, 10, 8), (10**11, 3, 1), (3, 3, 8 * 10**9)])
def test_rates(rate: int, octets: int, time: int) -> None:
    assert Lane(rate).octets_ns(octets) == time


def test_rate_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1 bit/s, not 0"):
        Lane(0)


def test_padding() -> None:
    assert pad(b"abc") == b"abc" + bytes(57)
    assert pad(bytes(61)) == bytes(61)
