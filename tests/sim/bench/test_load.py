"""What wires can carry, without any gateware."""

from itertools import islice

import pytest
from opentep.gateware.params import Params
from opentep.sim.bench.load import fitted, wire_octets
from opentep.sim.bench.result import IMIX
from opentep.sim.bench.rfc2544 import make_load
from opentep.sim.bench.rfc2889 import mesh
from opentep.sim.bench.scene import AUDIENCES, FCS, Scene
from opentep.sim.bench.search import highest_share, longest
from opentep.sim.wire import GIGABIT


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(Params(access_ports=3))


def test_a_minimum_frame_is_68_with_its_tag_and_118_on_the_fabric(scene):
    variant = scene.encapsulated(0, 0, 64 - FCS)
    assert len(variant.frame) + FCS == 68
    assert wire_octets(len(variant.frame)) == 88
    assert variant.octets_out(3) == 118 + 20


@pytest.mark.parametrize(
    "flow, rate",
    [("hairpin", 1_488_095), ("encapsulation", 905_797), ("decapsulation", 905_797), ("both", 2 * 905_797)],
)
def test_limits_at_a_gigabit(flow, rate):
    load = make_load(Scene(Params()), flow, "64")
    assert int(load.limit_rate(GIGABIT)) == rate


@pytest.mark.parametrize("access_ports", [1, 3, 6])
def test_access_ports_share_the_fabric(access_ports):
    load = make_load(Scene(Params(access_ports=access_ports)), "encapsulation", "64")
    assert len(load.streams) == access_ports
    assert load.limit_rate(GIGABIT) == pytest.approx(905_797.1)


def test_only_outputs_that_can_carry_the_result_are_at_line_rate(scene):
    assert make_load(scene, "hairpin", IMIX).at_line_rate
    assert make_load(scene, "decapsulation", "1518").at_line_rate
    assert not make_load(scene, "encapsulation", "1518").at_line_rate


def test_every_frame_has_its_copies(scene):
    for flow in ("hairpin", "encapsulation", "decapsulation", "both"):
        for size in ("64", "1518", IMIX):
            for stream in make_load(scene, flow, size).streams:
                assert all(len(variant.copies) == 1 for variant in stream.variants)
    for vms in AUDIENCES:
        assert len(scene.broadcast(vms, 60).copies) == vms - 1


def test_imix_is_seven_four_one(scene):
    (stream, *_) = make_load(scene, "hairpin", IMIX).streams
    lengths = [len(variant.frame) + FCS for variant in stream.variants]
    assert [lengths.count(size) for size in (64, 594, 1518)] == [7, 4, 1]


def test_a_mesh_never_sends_two_at_once_to_one_port(scene):
    load = mesh(scene, "64")
    for frames in zip(*(stream.variants for stream in load.streams), strict=True):
        assert len({frame.copies[0][0] for frame in frames}) == len(frames)
    assert load.at_line_rate


def test_times_follow_the_rate(scene):
    (stream, *_) = make_load(scene, "hairpin", "64").streams
    assert [at for at, _ in islice(stream.times(GIGABIT, 1.0), 3)] == [0, 672, 1344]
    assert [at for at, _ in islice(stream.times(GIGABIT, 0.5), 3)] == [0, 1344, 2688]


def test_a_broadcast_is_limited_by_its_copies(scene):
    (stream,) = fitted([(0, [scene.broadcast(8, 60)])])
    assert stream.limit == pytest.approx(1 / 3), "seven copies on three ports are at most three on one"


@pytest.mark.parametrize("where", [0.0, 0.3, 0.6377, 0.999])
def test_search_of_a_rate(where):
    assert highest_share(lambda share: share <= where, 0.001) == pytest.approx(where, abs=0.001)


def test_search_tries_the_limit_first():
    tried = []
    assert highest_share(lambda share: not tried.append(share), 0.001) == 1.0
    assert tried == [1.0]


@pytest.mark.parametrize("where", [0, 1, 17, 99, 100])
def test_search_of_a_burst(where):
    assert longest(lambda count: count <= where, 100) == where
