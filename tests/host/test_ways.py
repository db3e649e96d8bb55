"""Shares of flows between ways."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from opentep.gateware.lookup.ways import BUCKETS
from opentep.host.ways import share

PORTS = st.lists(st.integers(1, 15), min_size=1, max_size=BUCKETS, unique=True)


def even(buckets: tuple[int, ...], ports: list[int]) -> bool:
    counts = [Counter(buckets)[port] for port in ports]
    return len(buckets) == BUCKETS == sum(counts) and max(counts) - min(counts) <= 1


@given(PORTS, st.lists(st.integers(0, 15), min_size=BUCKETS, max_size=BUCKETS))
def test_as_even_as_there_can_be(ports: list[int], held: list[int]) -> None:
    assert even(share(ports), ports)
    assert even(share(ports, held), ports)


@given(PORTS)
def test_nothing_moves_without_need(ports: list[int]) -> None:
    buckets = share(ports)
    assert share(ports, buckets) == buckets
    assert share(ports[::-1], buckets) == buckets


@given(PORTS.filter(lambda ports: len(ports) > 1), st.data())
def test_withdrawal_moves_only_the_flows_of_what_is_withdrawn(ports: list[int], data) -> None:
    gone = data.draw(st.sampled_from(ports))
    before = share(ports)
    after = share([port for port in ports if port != gone], before)
    moved = [bucket for bucket in range(BUCKETS) if before[bucket] != after[bucket]]
    assert moved == [bucket for bucket in range(BUCKETS) if before[bucket] == gone]


@given(PORTS.filter(lambda ports: len(ports) > 1), st.data())
def test_what_comes_takes_no_more_than_its_share(ports: list[int], data) -> None:
    new = data.draw(st.sampled_from(ports))
    before = share([port for port in ports if port != new])
    after = share(ports, before)
    moved = [bucket for bucket in range(BUCKETS) if before[bucket] != after[bucket]]
    assert all(after[bucket] == new for bucket in moved)
