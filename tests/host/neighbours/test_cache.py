"""The state machine of RFC 4861, 7.3, second by second."""

import random

import pytest
from opentep.host.neighbours.cache import NeighbourCache, State
from opentep.host.neighbours.messages import Advertisement, Solicitation

PORT, ROUTER = 1, 0xFE80 << 112 | 1
KEY = (PORT, ROUTER)
A, B = 0x02005EFF01FE, 0x02005EFF01FD


class Scene:
    """One neighbour, and what it is asked."""

    def __init__(self, known: int | None = None):
        self.cache = NeighbourCache([KEY], {} if known is None else {KEY: known}, 0.0, random.Random(1))
        self.now = 0.0

    @property
    def it(self):
        (neighbour,) = self.cache
        return neighbour

    def asked(self, until: float) -> list[tuple[float, int | None]]:
        """(when, whom) for every solicitation, in steps of half a second."""
        asked = []
        while self.now < until:
            asked += [(self.now, mac) for _, mac in self.cache.due(self.now)]
            self.now += 0.5
        return asked

    def answer(
        self, mac: int | None = A, *, solicited: bool = True, override: bool = True, port: int = PORT
    ) -> None:
        self.cache.advertised(port, Advertisement(ROUTER, mac, solicited, override), self.now)


def reachable() -> Scene:
    scene = Scene()
    scene.asked(1)
    scene.answer()
    assert (scene.it.state, scene.it.mac) == (State.REACHABLE, A)
    return scene


def test_an_unknown_one_is_asked_for_three_times_then_now_and_then() -> None:
    scene = Scene()
    assert scene.asked(3) == [(0, None), (1, None), (2, None)]
    assert not scene.it.silent
    assert scene.asked(33) == []
    assert scene.it.silent and scene.it.settled and scene.it.state is State.INCOMPLETE
    assert scene.asked(36) == [(33, None), (34, None), (35, None)]
    scene.answer()
    assert (scene.it.state, scene.it.mac, scene.it.silent) == (State.REACHABLE, A, False)


def test_a_reachable_one_is_probed_after_its_time() -> None:
    scene = reachable()
    assert scene.asked(15) == []
    asked = scene.asked(60)
    first = asked[0][0]
    # Reachable for 15 to 45 seconds, stale for 5, then three probes, then everybody is asked.
    assert 20 <= first <= 51
    assert [(when - first, whom) for when, whom in asked[:6]] == [
        *((second, A) for second in range(3)),
        *((second, None) for second in range(3, 6)),
    ]


def test_a_probe_that_is_answered() -> None:
    scene = reachable()
    while scene.it.state is not State.PROBE:
        scene.asked(scene.now + 0.5)
    scene.answer(None)
    assert (scene.it.state, scene.it.mac) == (State.REACHABLE, A)
    assert scene.asked(scene.now + 15) == []


def test_a_known_one_is_verified_at_once() -> None:
    scene = Scene(A)
    assert scene.it.state is State.STALE and not scene.it.settled
    assert scene.asked(1) == [(0, A)]
    scene.answer(B)
    assert (scene.it.state, scene.it.mac) == (State.REACHABLE, B)


def test_a_silent_one_keeps_its_mac() -> None:
    scene = Scene(A)
    assert scene.asked(20) == [(0, A), (1, A), (2, A), (3, None), (4, None), (5, None)]
    assert scene.it.silent and scene.it.mac == A


@pytest.mark.parametrize(
    "state, mac, solicited, override, then",
    [
        # RFC 4861, 7.2.5 and appendix C.
        ("INCOMPLETE", None, True, True, ("INCOMPLETE", None)),
        ("INCOMPLETE", A, True, False, ("REACHABLE", A)),
        ("INCOMPLETE", A, False, True, ("STALE", A)),
        ("REACHABLE", B, True, False, ("STALE", A)),
        ("STALE", B, True, False, ("STALE", A)),
        ("PROBE", B, True, False, ("PROBE", A)),
        ("REACHABLE", B, True, True, ("REACHABLE", B)),
        ("STALE", B, False, True, ("STALE", B)),
        ("PROBE", B, False, True, ("STALE", B)),
        ("STALE", A, True, False, ("REACHABLE", A)),
        ("STALE", A, False, True, ("STALE", A)),
        ("PROBE", A, False, False, ("PROBE", A)),
        ("REACHABLE", A, False, False, ("REACHABLE", A)),
    ],
)
def test_advertisements(state: str, mac: int | None, solicited: bool, override: bool, then: tuple) -> None:
    scene = Scene() if state == "INCOMPLETE" else reachable()
    scene.it.state = State[state]
    scene.answer(mac, solicited=solicited, override=override)
    assert (scene.it.state.name, scene.it.mac) == then


def test_advertisements_of_others_count_for_nothing() -> None:
    scene = Scene()
    scene.answer(port=0)
    scene.cache.advertised(PORT, Advertisement(ROUTER + 1, A, True, True), 0)
    assert scene.it.state is State.INCOMPLETE


def test_who_asks_tells_where_it_is() -> None:
    scene = Scene()
    scene.cache.solicited(PORT, Solicitation(ROUTER, 99, A), 0)
    assert (scene.it.state, scene.it.mac) == (State.STALE, A)
    scene = reachable()
    scene.cache.solicited(PORT, Solicitation(ROUTER, 99, A), scene.now)
    assert scene.it.state is State.REACHABLE, "nothing new"
    scene.cache.solicited(PORT, Solicitation(ROUTER, 99, B), scene.now)
    assert (scene.it.state, scene.it.mac) == (State.STALE, B)
    for message in (
        Solicitation(0, 99, None),
        Solicitation(ROUTER, 99, None),
        Solicitation(ROUTER + 1, 99, A),
    ):
        scene.cache.solicited(PORT, message, scene.now)
    assert scene.it.mac == B


def test_one_that_never_says_that_it_was_asked_is_given_up() -> None:
    scene = Scene()
    while scene.now < 60:
        if scene.asked(scene.now + 0.5):
            scene.answer(solicited=False)
        assert not scene.it.settled
    scene.cache.give_up()
    assert scene.it.silent and scene.it.settled and scene.it.mac == A
    scene = reachable()
    scene.cache.give_up()
    assert not scene.it.silent
