"""RFC 2889 on the Verilated gateware, in small."""

import pytest
from opentep.sim.bench import rfc2889
from opentep.sim.bench.addresses import addresses, caching_capacity, kept_addresses, learn, learning_rate
from opentep.sim.bench.result import IMIX
from opentep.sim.bench.settings import Settings

SMALL = Settings(duration_ns=100_000, quick=True)


@pytest.mark.parametrize("size", ["64", "1518", IMIX])
def test_a_full_mesh_loses_nothing_at_the_limit(wide_rig, size):
    (result,) = rfc2889._forwarding(wide_rig, SMALL, size)
    assert result.passed and result.share == 1.0
    assert result.details["lost at the limit"] == 0 < result.details["of"]


def test_a_congested_output_leaves_the_other_alone_in_turn(wide_rig):
    settings = Settings(duration_ns=400_000)
    (result,) = rfc2889._congestion(wide_rig, settings, "64", "alternating")
    assert result.measured == result.limit == 0
    assert result.details["congested output loses"] == pytest.approx(result.details["has to"], abs=0.02)


def test_congestion_in_random_order_is_reported(wide_rig):
    """How much the free output loses is a figure, not a promise: packet memory is shared."""
    settings = Settings(duration_ns=400_000)
    (result,) = rfc2889._congestion(wide_rig, settings, "64", "random")
    assert 0 <= result.measured < 0.5
    assert result.passed == (result.measured == 0)


@pytest.mark.parametrize("vms", [2, 8, 32])
def test_broadcast_loses_no_copy_at_the_limit(wide_rig, vms):
    (result,) = rfc2889._broadcast(wide_rig, SMALL, "64", vms)
    assert result.passed
    assert result.details["copies/s"] == pytest.approx(result.measured * (vms - 1))


def test_errored_frames_are_counted_and_stay(rig):
    kinds = list(rfc2889._errored(rig, SMALL))
    assert len(kinds) == 12
    for result in kinds:
        assert result.passed, result
        assert result.measured == 0 and result.details["counted"] == result.details["sent"]


def test_addresses_are_learned_at_line_rate(wide_rig):
    one, three = learning_rate(wide_rig, SMALL)
    assert one.share == three.share == 1.0
    assert three.limit == pytest.approx(3 * one.limit)


def test_an_address_that_nobody_has_is_seen_as_flooded(rig):
    rig.forget_learned()
    known, unknown = addresses(4)[:2], addresses(4)[2:]
    learn(rig, known, [0], 0.1)
    assert kept_addresses(rig, [*known, *unknown]) == [True, True, False, False]
    rig.forget_learned()
    assert not any(kept_addresses(rig, known))


@pytest.mark.long
def test_most_of_the_table_can_be_learned(rig):
    (result,) = caching_capacity(rig, Settings())
    assert 0.85 < result.share <= 1.0
    assert result.details["kept when full"] >= result.measured


@pytest.mark.long
def test_the_whole_suite(wide_rig):
    seen = []
    results = list(rfc2889.run_rfc2889(wide_rig, Settings(), lambda done, total: seen.append((done, total))))
    assert seen[-1][0] == seen[-1][1]
    assert all(result.passed for result in results if result.at_full_rate)
