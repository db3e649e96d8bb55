"""One trial: a load offered at some rate, every frame identified, timed and compared with what the model says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .load import STAMP, Load, Variant, wire_octets
from .rig import Offer, Played, Rig

__all__ = ["Latency", "Outcome", "run_trial"]

_ROUNDS = 4
"""So that each quarter of a trial has a whole round of its frames."""

_TAGGED = 18
"""Octets of an Ethernet header with tag."""

_Waits = dict[tuple[int, int], list[float]]
"""Latency of each copy by (frame, port)."""


@dataclass(frozen=True)
class Latency:
    """Last bit in to first bit out (RFC 1242, store and forward), in ns."""

    least: float
    mean: float
    most: float


@dataclass(frozen=True)
class Outcome:
    """What a trial showed."""

    offered: int
    """Frames that entered."""
    expected: int
    """Copies that should have left."""
    lost: int
    wrong: int
    """Frames that left and should not have, or not like this."""
    lost_of: dict[str, tuple[int, int]]
    """By name of the variant: copies lost, copies expected."""
    rate: float
    """Frames per second that entered while all streams ran."""
    latency: Latency
    ideal: Latency
    """Latency of a store-and-forward device that needs no time itself; queues alone."""
    growth: float
    """By how many ns latency grew from the second to the last quarter of the trial."""

    @property
    def loss(self) -> float:
        return self.lost / self.expected if self.expected else 0.0

    def keeps_up(self, longest_out_ns: float) -> bool:
        """Nothing lost, and no backlog that would end in loss if the trial were longer."""
        return not self.lost and not self.wrong and self.growth <= longest_out_ns


@dataclass(frozen=True)
class _Sent:
    variant: Variant
    counts: bool


def run_trial(
    rig: Rig,
    load: Load,
    share: float = 1.0,
    *,
    of_line: bool = False,
    duration_ns: float = 1e6,
    frames: int | None = None,
    warm_up: float = 0.0,
) -> Outcome:
    """Offer ``load`` at ``share`` of its limit, or of the line.

    Each stream sends ``frames`` frames, or, by default, as many as enter in ``duration_ns``, which is made long enough
    for four rounds of all variants. Losses of the first part ``warm_up`` do not count: queues fill meanwhile.
    """
    sent: list[_Sent] = []
    offers: list[Offer] = []
    parts = [share if of_line else share * stream.limit for stream in load.streams]
    rates = [stream.line_rate(rig.rate) * part for stream, part in zip(load.streams, parts, strict=True)]
    rounds = (len(stream.variants) / each for stream, each in zip(load.streams, rates, strict=True))
    seconds = max(duration_ns * 1e-9, _ROUNDS * max(rounds))
    for stream, part, each in zip(load.streams, parts, rates, strict=True):
        count = frames or int(seconds * each + 0.001)
        for number, (at, variant) in zip(range(count), stream.times(rig.rate, part), strict=False):
            stamp = len(sent).to_bytes(STAMP, "big")
            offers.append(Offer(stream.port, at, variant.frame[:-STAMP] + stamp))
            sent.append(_Sent(variant, number >= warm_up * count))
    played = rig.play(offers)
    return _evaluate(rig, sent, offers, played, sum(rates))


def _evaluate(
    rig: Rig, sent: Sequence[_Sent], offers: Sequence[Offer], played: Played, rate: float
) -> Outcome:
    expected: Counter[str] = Counter()
    received: Counter[str] = Counter()
    for each in sent:
        if each.counts:
            expected[each.variant.name] += len(each.variant.copies)
    wrong = 0
    waits: _Waits = {}
    seen: set[tuple[int, int, bytes]] = set()
    for port, at, departed in played.departures:
        body, number = departed.frame[:-STAMP], int.from_bytes(departed.frame[-STAMP:], "big")
        known = number < len(sent) and not departed.error and (port, body) in sent[number].variant.copies
        # Copies of one frame on one port differ in their tags, if anywhere.
        if not known or (number, port, body[:_TAGGED]) in seen:
            wrong += 1
            continue
        seen.add((number, port, body[:_TAGGED]))
        if sent[number].counts:
            received[sent[number].variant.name] += 1
        waits.setdefault((number, port), []).append(at - played.ends[number])
    lost_of = {name: (count - received[name], count) for name, count in expected.items()}
    lost = sum(lost for lost, _ in lost_of.values())
    ideal = _ideal(rig, sent, played)
    return Outcome(
        offered=len(sent),
        expected=sum(expected.values()),
        lost=lost,
        wrong=wrong,
        lost_of=lost_of,
        rate=rate,
        latency=_latency(waits),
        ideal=_latency(ideal),
        growth=0.0 if lost or wrong else _growth(waits, played),
    )


def _latency(waits: _Waits) -> Latency:
    every = [wait for copies in waits.values() for wait in copies]
    if not every:
        return Latency(0.0, 0.0, 0.0)
    return Latency(min(every), sum(every) / len(every), max(every))


def _growth(waits: _Waits, played: Played) -> float:
    """Mean of the last quarter, in order of arrival, less that of the second one."""
    in_order = sorted(waits, key=lambda key: played.ends[key[0]])
    means = [sum(waits[key]) / len(waits[key]) for key in in_order]
    quarter = max(len(means) // 4, 1)
    return (sum(means[-quarter:]) - sum(means[quarter : 2 * quarter])) / quarter


def _ideal(rig: Rig, sent: Sequence[_Sent], played: Played) -> _Waits:
    """Latency if only the outgoing wires took time and queues were endless."""
    free = dict.fromkeys(range(rig.params.ports), 0.0)
    waits: _Waits = {}
    for number in sorted(range(len(sent)), key=played.ends.__getitem__):
        end = played.ends[number]
        for port, body in sent[number].variant.copies:
            start = max(end, free[port])
            free[port] = start + wire_octets(len(body) + STAMP) * rig.octet_ns
            waits.setdefault((number, port), []).append(start - end)
    return waits
