"""RFC 2544: throughput, latency, frame loss rate, back-to-back frames."""

from collections.abc import Iterator

from opentep.gateware.params import CELL_BYTES, Params

from .load import Load, Stream, Variant, fitted
from .result import Result
from .rig import Rig
from .scene import FCS, VMS, Scene, sizes_of
from .search import highest_share, longest
from .settings import Advance, Settings
from .trial import Outcome, run_trial

__all__ = ["make_load", "run_rfc2544"]

SUITE = "rfc2544"
_TESTS = 4
_LOSS_STEP = 0.1
"""RFC 2544, 26.3."""
_SETTLED = 3
"""Times that it takes for packet memory to fill, after which a trial shows the loss that lasts."""
_LONGEST = 10
"""Durations that a trial may take for queues to fill."""


def make_load(scene: Scene, flow: str, size: str) -> Load:
    """Traffic named ``flow``, with all ports that it has, in frames of ``size``.

    ``size`` is, in octets with FCS, the frame on the wire where nothing is tunnelled, else the VM's own
    frame, without tag and tunnel.
    """
    access = range(scene.params.access_ports)
    lengths = [octets - FCS for octets in sizes_of(size)]
    rounds = VMS if len(lengths) == 1 else 1
    numbered = list(enumerate(lengths * rounds))

    def hairpin(port: int) -> list[Variant]:
        target = (port + 1) % len(access)
        return [scene.hairpin(port, target, number % VMS, length) for number, length in numbered]

    def encapsulated(port: int) -> list[Variant]:
        return [scene.encapsulated(port, number % VMS, length) for number, length in numbered]

    def decapsulated() -> list[Variant]:
        return [
            scene.decapsulated(target, number % VMS, length)
            for number, length in numbered
            for target in access
        ]

    streams: tuple[Stream, ...] = ()
    if flow == "hairpin":
        streams = fitted([(port, hairpin(port)) for port in access])
    if flow in ("encapsulation", "both"):
        streams += fitted([(port, encapsulated(port)) for port in access])
    if flow in ("decapsulation", "both"):
        streams += fitted([(scene.params.access_ports, decapsulated())])
    if not streams:
        raise ValueError(f"there is no flow {flow!r}")
    return Load(flow, size, streams)


def run_rfc2544(rig: Rig, settings: Settings, advance: Advance) -> Iterator[Result]:
    """All tests with all flows and sizes, throughput and latency of one from the same trials."""
    loads = [make_load(rig.scene, flow, size) for flow in settings.flows for size in settings.sizes]
    total = _TESTS * len(loads)
    for number, load in enumerate(loads):
        advance(_TESTS * number, total)
        share, outcome = _find_throughput(rig, load, settings)
        yield _throughput(rig, load, share, outcome)
        yield _latency(rig, load, share, outcome)
        advance(_TESTS * number + 2, total)
        at_limit = outcome if share == 1 and load.at_line_rate else None
        yield from _loss_curve(rig, load, settings, at_limit)
        yield _back_to_back(rig, load, settings, at_limit)
    advance(total, total)


def _find_throughput(rig: Rig, load: Load, settings: Settings) -> tuple[float, Outcome]:
    """Highest share of the limit without loss, and the trial at it."""
    outcomes: dict[float, Outcome] = {}
    longest_out_ns = load.longest_out * rig.octet_ns

    def works(share: float) -> bool:
        outcome = run_trial(rig, load, share, duration_ns=settings.duration_ns, frames=settings.frames)
        outcomes[share] = outcome
        return outcome.keeps_up(longest_out_ns)

    share = highest_share(works, settings.resolution)
    return share, outcomes.get(share) or outcomes[min(outcomes)]


def _octets(stream: Stream) -> str:
    """Octets on the wires, with FCS, in and out; of a mix the mean."""
    count = len(stream.variants)
    inside = sum(len(variant.frame) for variant in stream.variants) / count + FCS
    growth = sum(_growth(variant) for variant in stream.variants) / count
    return f"{inside:.0f} > {inside + growth:.0f}"


def _growth(variant: Variant) -> int:
    port = variant.copies[0][0]
    return variant.octets_out(port) - variant.octets


def _out_rate(rig: Rig, stream: Stream) -> float:
    """Frames per second of a full line of what leaves."""
    octets = sum(variant.octets_out(variant.copies[0][0]) for variant in stream.variants)
    return len(stream.variants) * rig.rate / (8 * octets)


def _throughput(rig: Rig, load: Load, share: float, outcome: Outcome) -> Result:
    first = load.streams[0]
    return Result(
        SUITE,
        "throughput",
        load.flow,
        load.size,
        measured=share * load.limit_rate(rig.rate),
        limit=load.limit_rate(rig.rate),
        unit="frames/s",
        method="highest offered rate without loss and without growing backlog, binary search from 100 % of the limit",
        details={
            "octets in > out": _octets(first),
            "line in": first.line_rate(rig.rate),
            "line out": _out_rate(rig, first),
            "offered": outcome.offered,
            "lost": outcome.lost + outcome.wrong,
        },
        passed=share == 1,
    )


def _latency(rig: Rig, load: Load, share: float, outcome: Outcome) -> Result:
    added = outcome.latency.mean - outcome.ideal.mean
    return Result(
        SUITE,
        "latency",
        load.flow,
        load.size,
        measured=outcome.latency.mean,
        limit=outcome.ideal.mean,
        unit="ns",
        method="last bit in to first bit out (RFC 1242), every frame of the throughput trial; the limit is what "
        "frames wait for each other on the outgoing wires",
        details={
            "at": f"{share:.1%}",
            "min": outcome.latency.least,
            "max": outcome.latency.most,
            "ideal max": outcome.ideal.most,
            "added clocks": added / rig.clock_ns,
        },
    )


def _loss_curve(rig: Rig, load: Load, settings: Settings, at_line: Outcome | None) -> Iterator[Result]:
    """From the full line in steps of 10 % until two trials in turn lose nothing."""
    clean = 0
    for step in range(10):
        share = 1 - step * _LOSS_STEP
        ideal = _ideal_loss(load, share, rig.rate)
        steady = True
        if step == 0 and at_line is not None:
            outcome = at_line
        else:
            settled = _settled_ns(rig.params, rig.rate, ideal)
            duration = min(max(settled, settings.duration_ns), _LONGEST * settings.duration_ns)
            steady = settled <= duration and settings.frames is None
            outcome = run_trial(
                rig,
                load,
                share,
                of_line=True,
                duration_ns=duration,
                frames=settings.frames,
                warm_up=0.5 if ideal else 0.0,
            )
        yield Result(
            SUITE,
            "loss",
            load.flow,
            load.size,
            measured=outcome.loss,
            limit=ideal,
            unit="of the frames",
            method="frames offered at a share of the line's rate; once the queues are full, where they fill",
            details={
                "of the line": share,
                "offered": outcome.offered,
                "queues": "empty" if not ideal else "full" if steady else "still filling",
            },
        )
        clean = clean + 1 if not outcome.lost else 0
        if clean == 2:
            return


def _ideal_loss(load: Load, share: float, rate: int) -> float:
    """What has to be lost if all streams send at ``share`` of the line."""
    offered = sum(stream.line_rate(rate) * share for stream in load.streams)
    carried = sum(stream.line_rate(rate) * min(share, stream.limit) for stream in load.streams)
    return max(0.0, 1 - carried / offered) if offered - carried > 1e-6 * offered else 0.0


def _settled_ns(params: Params, rate: int, loss: float) -> float:
    """Time in whose first half packet memory surely fills."""
    return _SETTLED * params.packet_bytes * 8e9 / rate / loss if loss else 0.0


def _back_to_back(rig: Rig, load: Load, settings: Settings, at_line: Outcome | None) -> Result:
    """Longest burst at the least gap, into each port that sends."""
    frames = settings.frames or int(settings.duration_ns * 1e-9 * load.streams[0].line_rate(rig.rate))
    ideal = _ideal_burst(rig.params, load)
    if at_line is not None:
        found = most = at_line.offered // len(load.streams)
    else:
        most = frames if ideal is None else min(int(ideal) + 1, _LONGEST * frames)
        found = longest(lambda count: not run_trial(rig, load, of_line=True, frames=count).lost, most)
    return Result(
        SUITE,
        "back-to-back",
        load.flow,
        load.size,
        measured=found,
        limit=ideal,
        unit="frames",
        method="longest burst at the least gap without loss, per port; the limit is where the cells of packet memory, "
        "or the descriptors of the queue, must run out; an output that falls behind leaves half of the cells to others",
        details={
            "ms of line": found / load.streams[0].line_rate(rig.rate) * 1e3,
            "ended by": "trial" if found == most else "loss",
        },
    )


def _ideal_burst(params: Params, load: Load) -> float | None:
    """Frames per port until memory or queue must overflow; ``None`` if the outputs keep up.

    Streams whose output falls behind are alike, and take memory for themselves.
    """
    if load.at_line_rate:
        return None
    behind = [stream for stream in load.streams if stream.limit < 1]
    variants = behind[0].variants
    cells = sum(-(-len(variant.frame) // CELL_BYTES) for variant in variants) / len(variants)
    staying = sum(1 - stream.limit for stream in behind)
    return min(params.cells / cells, params.queue_depth) / staying
