"""How often there is an answer."""

from opentep.host.too_big import Limit


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_nobody_is_told_the_same_twice_in_a_second() -> None:
    clock = Clock()
    limit = Limit(clock)
    assert [limit.allows("a"), limit.allows("a"), limit.allows("b")] == [True, False, True]
    clock.now += 0.99
    assert not limit.allows("a")
    clock.now += 0.02
    assert limit.allows("a")


def test_a_hundred_per_second_and_no_more_at_once() -> None:
    clock = Clock()
    limit = Limit(clock)
    assert sum(limit.allows(number) for number in range(1000)) == 100
    assert not limit.allows("later")
    clock.now += 0.1
    assert sum(limit.allows(("again", number)) for number in range(1000)) == 10
    clock.now += 1000
    assert sum(limit.allows(("then", number)) for number in range(1000)) == 100


def test_who_was_refused_is_not_taken_for_answered() -> None:
    clock = Clock()
    limit = Limit(clock)
    while limit.allows(clock.now):
        clock.now += 1e-6
    clock.now += 0.02
    assert limit.allows("late") and not limit.allows("late")
