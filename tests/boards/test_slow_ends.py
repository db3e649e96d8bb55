"""Where the slowest paths end, told by the real tools."""

import pytest
from opentep.boards.build import build_component
from opentep.gateware.slow_queue import SlowQueue

pytestmark = pytest.mark.synth


@pytest.fixture(scope="module")
def report():
    return build_component(SlowQueue(8), seeds=(1,), slowest=40)


def test_the_slowest_come_first_and_none_is_slower_than_the_clock(report):
    delays = [end.delay_ns for end in report.slow_ends]
    assert delays == sorted(delays, reverse=True)
    assert delays[0] == pytest.approx(1000 / report.worst, abs=0.5)  # but for what the register needs itself


def test_each_end_is_a_register_of_a_component_and_is_told_once(report):
    names = [end.name for end in report.slow_ends]
    assert len(set(names)) == len(names)
    assert {"inner.output__valid", "inner.input__ready", "output__valid", "input__ready"} <= set(names)


def test_a_path_to_lut_ram_is_one_of_those_that_write(report):
    written = [end for end in report.slow_ends if end.name.startswith("inner.memory")]
    assert written
    assert all("read" not in end.start for end in written)


def test_a_path_begins_with_a_register(report):
    inner = {end.name: end for end in report.slow_ends}["inner.input__ready"]
    assert inner.cells >= 2 and inner.start in ("inner.write__addr", "inner.read__addr")


def test_they_are_told_only_if_asked_for():
    assert build_component(SlowQueue(2), seeds=(1,)).slow_ends == ()
