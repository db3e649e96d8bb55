"""RFC 2889: forwarding with several ports, congestion, errored and broadcast frames; addresses are beside this file."""

import random
from collections.abc import Iterator

from .addresses import caching_capacity, learning_rate
from .load import STAMP, Load, Stream, Variant, fitted
from .result import IMIX, Result
from .rig import Offer, Rig
from .scene import AUDIENCES, FCS, VMS, Scene, sizes_of
from .search import highest_share
from .settings import Advance, Settings
from .trial import Outcome, run_trial

__all__ = ["LEAST_ACCESS_PORTS", "mesh", "run_rfc2889"]

SUITE = "rfc2889"
LEAST_ACCESS_PORTS = 3
"""What congestion needs: a sender to both outputs, a sender to the congested one, and two outputs."""

_ORDERS = ("alternating", "random")
"""How the sender to both outputs chooses: as the RFC has it, and so that no rhythm hides what happens."""

_ROUND = 16
"""Pairs of frames until a random order repeats."""

_SLIDING = 0.997
"""Share of the line of the second sender to a congested output, so that no phase of the two ports lasts."""


def run_rfc2889(rig: Rig, settings: Settings, advance: Advance) -> Iterator[Result]:
    """All tests. Those that need more ports than there are are left out."""
    sizes = settings.sizes
    steps: list[Iterator[Result]] = []
    access = rig.params.access_ports
    if access > 1:
        steps += [_forwarding(rig, settings, size) for size in sizes]
    if access >= LEAST_ACCESS_PORTS:
        plain = [size for size in sizes if size != IMIX]
        steps += [_congestion(rig, settings, size, order) for order in _ORDERS for size in plain]
    ends = sorted({size for size in sizes if size != IMIX}, key=int)
    steps += [
        _broadcast(rig, settings, size, vms)
        for size in dict.fromkeys((*ends[:1], *ends[-1:]))
        for vms in AUDIENCES
    ]
    steps.append(_errored(rig, settings))
    steps.append(caching_capacity(rig, settings))
    steps.append(learning_rate(rig, settings))
    for number, step in enumerate(steps):
        advance(number, len(steps))
        yield from step
    advance(len(steps), len(steps))


def mesh(scene: Scene, size: str) -> Load:
    """Every access port sends to all others in turn, so that at no time two send to the same one."""
    ports = scene.params.access_ports
    sizes = sizes_of(size)

    def variants(port: int) -> list[Variant]:
        return [
            scene.hairpin(port, (port + 1 + turn) % ports, vm, octets - FCS)
            for vm, octets in enumerate(sizes * (2 if len(sizes) == 1 else 1))
            for turn in range(ports - 1)
        ]

    return Load("full mesh", size, fitted([(port, variants(port)) for port in range(ports)]))


def _find_rate(rig: Rig, load: Load, settings: Settings) -> tuple[float, Outcome]:
    """Highest share of the limit without loss, and the trial at the limit."""
    outcomes: list[Outcome] = []

    def works(share: float) -> bool:
        outcomes.append(run_trial(rig, load, share, duration_ns=settings.duration_ns, frames=settings.frames))
        return outcomes[-1].keeps_up(load.longest_out * rig.octet_ns)

    return highest_share(works, settings.resolution), outcomes[0]


def _forwarding(rig: Rig, settings: Settings, size: str) -> Iterator[Result]:
    load = mesh(rig.scene, size)
    share, at_limit = _find_rate(rig, load, settings)
    yield Result(
        SUITE,
        "forwarding",
        f"full mesh of {len(load.streams)}",
        size,
        measured=share * load.limit_rate(rig.rate),
        limit=load.limit_rate(rig.rate),
        unit="frames/s",
        method="all ports send to all others in turn (5.1); highest offered rate without loss",
        details={
            "lost at the limit": at_limit.lost + at_limit.wrong,
            "of": at_limit.expected,
            "mean ns": at_limit.latency.mean,
            "max ns": at_limit.latency.most,
        },
        passed=share == 1,
    )


def _congestion(rig: Rig, settings: Settings, size: str, order: str) -> Iterator[Result]:
    """Port 0 sends to 1 and 2, half a line each; port 1 a whole one to 2, which gets 150 %."""
    scene = rig.scene
    length = int(size) - FCS
    targets = [1, 2] * _ROUND
    if order == "random":
        random.Random(1).shuffle(targets)
    both = tuple(scene.hairpin(0, target, number % VMS, length) for number, target in enumerate(targets))
    other = tuple(scene.hairpin(1, 2, vm, length) for vm in range(VMS))
    load = Load("congestion", size, (Stream(0, both), Stream(1, other, _SLIDING)))
    outcome = run_trial(rig, load, duration_ns=2 * settings.duration_ns, frames=settings.frames, warm_up=0.5)
    lost, expected = outcome.lost_of["access0 to access1"]
    congested = [outcome.lost_of[f"access{port} to access2"] for port in (0, 1)]
    yield Result(
        SUITE,
        "head-of-line blocking",
        f"free output, {order} order",
        size,
        measured=lost / expected,
        limit=0.0,
        unit="of the frames",
        method="one output gets 150 % (5.5); loss of what one of its senders sends to another output, at 50 %",
        details={
            "congested output loses": sum(pair[0] for pair in congested) / sum(pair[1] for pair in congested),
            "has to": 1 - 1 / (0.5 + _SLIDING),
            "offered": outcome.offered,
        },
        passed=not lost and not outcome.wrong,
    )


def _broadcast(rig: Rig, settings: Settings, size: str, vms: int) -> Iterator[Result]:
    load = Load("broadcast", size, fitted([(0, [rig.scene.broadcast(vms, int(size) - FCS)])]))
    share, at_limit = _find_rate(rig, load, settings)
    copies = vms - 1
    yield Result(
        SUITE,
        "broadcast",
        f"to {vms} VMs",
        size,
        measured=share * load.limit_rate(rig.rate),
        limit=load.limit_rate(rig.rate),
        unit="frames/s",
        method="one VM sends to all others of its tenant (5.10); highest offered rate without a lost copy",
        details={
            "copies/s": share * load.limit_rate(rig.rate) * copies,
            "lost at the limit": at_limit.lost + at_limit.wrong,
            "of": at_limit.expected,
            "first copy ns": at_limit.latency.least,
        },
        passed=share == 1,
    )


def _errored(rig: Rig, settings: Settings) -> Iterator[Result]:
    """Each kind of bad frame between good ones, back to back, into an access and a fabric port."""
    scene, params = rig.scene, rig.params
    longest = params.max_frame
    goods = {0: scene.hairpin(0, 0, 0, 60), params.access_ports: scene.decapsulated(0, 0, 60)}
    kinds = {
        "runt of 1 octet": (1, False),
        "runt of 17 octets": (17, False),
        "runt of 63 octets": (63 - FCS, False),
        "bad FCS, shortest": (0, True),
        "bad FCS, 1518 octets": (1514, True),
        f"oversize, {longest + 1 + FCS} octets": (longest + 1, False),
    }
    for port, good in goods.items():
        for kind, (length, error) in kinds.items():
            count = 4 if length > longest else 40 if settings.quick else 200
            body = good.frame[:-STAMP]
            bad = (body + bytes(max(length - len(body), STAMP)))[: length or None]
            offers = []
            for number in range(count):
                offers.append(Offer(port, 0, body + number.to_bytes(STAMP, "big")))
                offers.append(Offer(port, 0, bad, pad=False, error=error))
            before = rig.drops("rx-error")
            played = rig.play(offers)
            wanted = {
                (out, octets + number.to_bytes(STAMP, "big"))
                for out, octets in good.copies
                for number in range(count)
            }
            left = [(out, received.frame) for out, _, received in played.departures if not received.error]
            forwarded = sum(frame not in wanted for frame in left)
            counted = rig.drops("rx-error") - before
            yield Result(
                SUITE,
                "errored frames",
                f"{kind}, {'fabric' if params.is_fabric(port) else 'access'}",
                "",
                measured=forwarded,
                limit=0,
                unit="forwarded",
                method="bad frames between good ones, back to back (5.9): all are counted, good ones unhurt",
                details={"sent": count, "counted": counted, "good lost": len(wanted - set(left))},
                passed=not forwarded and counted == count and not wanted - set(left),
            )
