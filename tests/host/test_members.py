"""Runs of members never overlap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentep.host.members import MemberSpace


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 6)), max_size=6), st.lists(st.integers(1, 20)))
def test_no_overlap(used: list[tuple[int, int]], wanted: list[int]) -> None:
    space = MemberSpace(64, used)
    taken = {index for base, length in used for index in range(base, base + length)}
    assert space.free == 64 - len(taken & set(range(64)))
    for length in wanted:
        base = space.allocate(length)
        if base is None:
            free = [index not in taken for index in range(64)]
            assert not any(all(free[start : start + length]) for start in range(64 - length + 1))
            continue
        run = set(range(base, base + length))
        assert run <= set(range(64)) and not run & taken
        taken |= run


@pytest.mark.parametrize(("length", "base"), [(2, 4), (3, 10), (7, None)])
def test_the_shortest_run_that_fits(length: int, base: int | None) -> None:
    assert MemberSpace(16, [(0, 4), (6, 4)]).allocate(length) == base
