"""RFC 2889, 5.7 and 5.8: how many addresses are learned, and how fast."""

import random
from collections.abc import Iterator, Sequence

from .load import wire_octets
from .result import Result
from .rig import Offer, Rig
from .scene import LEARNED_VID
from .search import highest_share
from .settings import Settings

__all__ = ["caching_capacity", "kept_addresses", "learn", "learning_rate"]

SUITE = "rfc2889"
_SLOW = 0.01
"""Share of the line at which addresses are learned where the rate does not matter."""
_PASSES = 2
"""For the capacity, as the table's fill is a matter of chance."""

_ASKING = 0.3
"""Share of the line at which addresses are asked for, since one that is not known comes back as two floods."""


def addresses(count: int, seed: int = 1) -> list[int]:
    """Random low halves of MAC addresses, none of a VM of the scene."""
    return random.Random(seed).sample(range(0xF00000), count)


def learn(rig: Rig, news: Sequence[int], ports: Sequence[int], share: float) -> None:
    """Let ``news`` send one frame each, from ``ports`` in turn, at ``share`` of their lines."""
    octet_ns = rig.octet_ns / share
    offers = []
    for number, address in enumerate(news):
        port = ports[number % len(ports)]
        frame = rig.scene.learning(port, address)
        offers.append(Offer(port, number // len(ports) * wire_octets(len(frame)) * octet_ns, frame))
    rig.play(offers)


def kept_addresses(rig: Rig, news: Sequence[int]) -> list[bool]:
    """Whether a frame to each of ``news`` goes straight, without being flooded."""
    frames = [rig.scene.asking(address) for address in news]
    octet_ns = rig.octet_ns / _ASKING
    played = rig.play(
        [Offer(0, number * wire_octets(len(frame)) * octet_ns, frame) for number, frame in enumerate(frames)]
    )
    place = LEARNED_VID.to_bytes(2, "big")
    straight = {received.frame[:6] for _, _, received in played.departures if received.frame[14:16] == place}
    return [frame[:6] in straight for frame in frames]


def caching_capacity(rig: Rig, settings: Settings) -> Iterator[Result]:
    """How many addresses can be learned in turn before the first one is flooded.

    Entries are not given up for later ones, so that one pass finds what the RFC's search does. The table moves entries
    at random to make room, so passes differ.
    """
    room = rig.params.macs - len(rig.scene.tables.macs)
    news = addresses(room)
    found, kept = [], []
    before = rig.mac_events()["refused"]
    for _ in range(1 if settings.quick else _PASSES):
        rig.forget_learned()
        learn(rig, news, [0], _SLOW)
        straight = kept_addresses(rig, news)
        found.append(straight.index(False) if False in straight else room)
        kept.append(sum(straight))
    refused = rig.mac_events()["refused"] - before
    rig.forget_learned()
    yield Result(
        SUITE,
        "address caching capacity",
        "learned, not flooded",
        "",
        measured=min(found),
        limit=room,
        unit="addresses",
        method="addresses learned in turn until one is flooded (5.7), the least of all passes; the limit is the table "
        "less its static entries",
        details={
            "passes": len(found),
            "best pass": max(found),
            "kept when full": min(kept),
            "refused": refused // len(found),
        },
    )


def learning_rate(rig: Rig, settings: Settings) -> Iterator[Result]:
    """Fastest rate at which none of many new addresses is missed."""
    count = min(rig.params.macs // 4, 64 if settings.quick else 512)
    news = addresses(count, seed=2)
    for ports in {1: [0], rig.params.access_ports: list(range(rig.params.access_ports))}.values():
        at_limit: list[int] = []

        def works(share: float, ports: Sequence[int] = ports, at_limit: list[int] = at_limit) -> bool:
            rig.forget_learned()
            learn(rig, news, ports, share)
            at_limit.append(sum(kept_addresses(rig, news)))
            return at_limit[-1] == count

        share = highest_share(works, 0.01)
        line = len(ports) * rig.rate / 8 / wire_octets(60)
        yield Result(
            SUITE,
            "address learning rate",
            f"into {len(ports)} port{'s' if len(ports) > 1 else ''}",
            "64",
            measured=share * line,
            limit=line,
            unit="addresses/s",
            method=f"highest rate at which all of {count} new addresses are learned (5.8); the limit is the line",
            details={"learned at the limit": at_limit[0], "of": count},
        )
    rig.forget_learned()
