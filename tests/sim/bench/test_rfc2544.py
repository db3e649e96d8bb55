"""RFC 2544 on the Verilated gateware, in small."""

import pytest
from opentep.gateware.params import Params
from opentep.sim.bench.load import Load, Stream
from opentep.sim.bench.result import IMIX
from opentep.sim.bench.rfc2544 import make_load, run_rfc2544
from opentep.sim.bench.rig import Rig
from opentep.sim.bench.scene import SIZES
from opentep.sim.bench.search import highest_share
from opentep.sim.bench.settings import FLOWS, Settings
from opentep.sim.bench.trial import run_trial

LATENCY_CLOCKS = 25
"""From the last bit in to the first bit out (docs/gateware.md), and one for the board's own pins."""


def quiet(done: int, total: int) -> None:
    """Nobody looks."""


def results(rig: Rig, **settings) -> dict[str, list]:
    found: dict[str, list] = {}
    for result in run_rfc2544(rig, Settings(**settings), quiet):
        found.setdefault(result.test, []).append(result)
    return found


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("size", [*map(str, SIZES), IMIX])
def test_nothing_is_lost_at_the_limit(rig, flow, size):
    load = make_load(rig.scene, flow, size)
    outcome = run_trial(rig, load, duration_ns=100_000)
    assert (outcome.lost, outcome.wrong) == (0, 0)
    assert outcome.expected == outcome.offered
    assert outcome.keeps_up(load.longest_out * rig.octet_ns)
    added = outcome.latency.mean - outcome.ideal.mean
    assert 0 < added <= LATENCY_CLOCKS * rig.clock_ns


def test_all_tests_of_one_size(rig):
    found = results(rig, sizes=("64",), flows=("encapsulation",), duration_ns=300_000)
    (throughput,) = found["throughput"]
    assert throughput.passed and throughput.share == 1.0
    assert throughput.details["line in"] == pytest.approx(1_420_454.5)
    assert throughput.details["line out"] == pytest.approx(905_797.1)
    (latency,) = found["latency"]
    assert latency.limit == 0 and 0 < latency.measured <= LATENCY_CLOCKS * rig.clock_ns
    full, *_, last = found["loss"]
    assert full.measured == pytest.approx(full.limit, abs=0.01), "as much as the fabric cannot carry"
    assert last.measured == last.limit == 0
    (burst,) = found["back-to-back"]
    assert burst.measured == pytest.approx(burst.limit / 2, rel=0.05), "an output's share: as much stays free"


def test_a_burst_in_both_directions_ends_where_that_into_the_tunnel_does(rig):
    """What comes out of the tunnel meanwhile keeps up, and has no more cells than one frame coming and one going."""
    found = results(rig, sizes=("512",), flows=("encapsulation", "both"), duration_ns=300_000)
    alone, both = found["back-to-back"]
    assert both.limit == alone.limit
    assert alone.measured * 0.9 <= both.measured <= alone.measured


def test_a_rate_beyond_the_wire_is_found_out(rig):
    """A limit that is none: the search ends where the fabric is full."""
    (stream,) = make_load(rig.scene, "encapsulation", "64").streams
    load = Load("too much", "64", (Stream(stream.port, stream.variants, 1.0),))

    def works(share: float) -> bool:
        outcome = run_trial(rig, load, share, duration_ns=400_000)
        return outcome.keeps_up(load.longest_out * rig.octet_ns)

    assert highest_share(works, 0.02) == pytest.approx(stream.limit, abs=0.02)


def test_a_backlog_counts_although_nothing_is_lost_yet(rig):
    """Packet memory takes up what a short trial has too much; an ideal device would have the same backlog."""
    (stream,) = make_load(rig.scene, "encapsulation", "512").streams
    load = Load("too much", "512", (Stream(stream.port, stream.variants, 1.0),))
    outcome = run_trial(rig, load, duration_ns=300_000)
    assert outcome.lost == 0
    assert not outcome.keeps_up(load.longest_out * rig.octet_ns)


def test_speed_is_counted(rig):
    before = rig.speed
    run_trial(rig, make_load(rig.scene, "hairpin", "64"), frames=14)
    after = rig.speed
    assert after.frames == before.frames + 14
    assert after.clocks - before.clocks > 14 * 84
    assert after.frames_per_second > 0 and after.clocks_per_second > 0


@pytest.mark.long
@pytest.mark.parametrize(
    "params, rate",
    [(Params(), 2_000_000_000), (Params(width=64), 4_000_000_000), (Params(access_ports=3), 1_000_000_000)],
    ids=["1+1, 2 Gb/s", "64 bits, 4 Gb/s", "3+1"],
)
def test_every_size_at_the_core_s_own_rate(params, rate):
    with Rig(params, rate) as rig:
        for flow in FLOWS:
            for size in (*map(str, SIZES), IMIX):
                load = make_load(rig.scene, flow, size)
                outcome = run_trial(rig, load)
                assert (outcome.lost, outcome.wrong) == (0, 0), (flow, size)
                assert outcome.keeps_up(load.longest_out * rig.octet_ns), (flow, size)
