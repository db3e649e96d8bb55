"""Which seeds run, which ends the search, and that the answer does not depend on which was faster."""

import threading

import pytest
from opentep.boards.seeds import run_seeds
from opentep.boards.tools import Cancel, ToolError


def wait_for(cancel: Cancel, other: threading.Event) -> None:
    while not cancel.cancelled and not other.wait(0.001):
        pass


def test_the_first_good_seed_wins_although_a_later_one_is_faster():
    second_is_done = threading.Event()

    def run(seed: int, cancel: Cancel) -> str:
        if seed == 1:
            assert second_is_done.wait(10)
            return "good"
        second_is_done.set()
        return "good"

    assert run_seeds([1, 2, 3, 4], run, lambda result: result == "good") == {1: "good"}


def test_a_later_seed_wins_if_the_earlier_ones_are_bad():
    results = {1: "bad", 2: "good", 3: "good"}
    assert run_seeds([1, 2, 3], lambda seed, _: results[seed], lambda result: result == "good") == {
        1: "bad",
        2: "good",
    }


def test_what_runs_for_later_seeds_is_cancelled():
    started, never = threading.Event(), threading.Event()
    cancelled = []

    def run(seed: int, cancel: Cancel) -> str:
        if seed == 1:
            assert started.wait(10)
            return "good"
        started.set()
        wait_for(cancel, never)
        cancelled.append(seed)
        raise ToolError("was cancelled")

    assert run_seeds([1, 2, 3], run, lambda result: result == "good") == {1: "good"}
    assert cancelled == [2]


def test_all_seeds_in_any_order():
    assert run_seeds([5, 3, 4], lambda seed, _: seed * 10, lambda _: False) == {5: 50, 3: 30, 4: 40}


def test_an_error_ends_all():
    failing, never = threading.Event(), threading.Event()
    begun = []

    def run(seed: int, cancel: Cancel) -> str:
        begun.append(seed)
        if seed == 2:
            failing.set()
            raise ToolError("does not fit")
        wait_for(cancel, never)
        raise ToolError("was cancelled")

    with pytest.raises(ToolError, match="does not fit"):
        run_seeds([1, 2, 3, 4], run, lambda _: False)
    assert failing.is_set() and set(begun) <= {1, 2}
