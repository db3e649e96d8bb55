"""Round after round, each with tables of its own."""

import multiprocessing
import random
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial

from opentep.gateware.params import Params
from opentep.host.tables import TepTables

from ..board import board_library
from .adversary import Adversary, Shot
from .reproducer import Reproducer, minimise
from .scene import scene_of
from .trial import Finding, Trial, volleys

__all__ = ["ROUND", "Round", "reproducer_of", "run_campaign", "run_round", "shown"]

ROUND = 20_000
"""Shots, but for the last round."""
_RECENT = 1024
"""Shots that are searched for the cause of a finding. Where a TEP has memory, it may also be further back."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Round:
    """What came of one round."""

    tables: int
    """Seed of its scene."""
    shots: int
    delivered: int
    finding: Finding | None = None
    suspects: tuple[Shot, ...] = ()
    """The shots up to the finding, all that may have to do with it."""


def _shots(adversary: Adversary) -> Iterator[Shot]:
    while True:
        yield adversary.shot()


def run_round(
    params: Params,
    count: int,
    seed: int,
    captured: Sequence[bytes] = (),
    believed: TepTables | None = None,
) -> Round:
    """``count`` shots at the scene of ``seed``. ``captured``: see :class:`Adversary`, ``believed``: see
    :class:`Trial`."""
    scene = scene_of(seed, params)
    rng = random.Random(f"shots {seed}")
    adversary = Adversary(scene.tables, rng, longest=scene.longest, captured=captured)
    suspects: deque[Shot] = deque(maxlen=None if scene.has_memory else _RECENT)
    fired = 0
    with Trial(params, scene, believed) as trial:
        for volley in volleys(_shots(adversary), count, params, scene.pace):
            suspects.extend(volley)
            fired += len(volley)
            finding = trial.fire(volley)
            if finding is not None:
                break
        else:
            finding = trial.check_counters()
        return Round(seed, fired, trial.delivered, finding, () if finding is None else tuple(suspects))


def shown(
    params: Params, seed: int, shots: Sequence[Shot], believed: TepTables | None = None
) -> Finding | None:
    """What ``shots`` at a fresh TEP show, if anything."""
    scene = scene_of(seed, params)
    with Trial(params, scene, believed) as trial:
        for volley in volleys(iter(shots), len(shots), params, scene.pace):
            finding = trial.fire(volley)
            if finding is not None:
                return finding
        return trial.check_counters()


def reproducer_of(
    found: Round, params: Params, version: str, believed: TepTables | None = None
) -> Reproducer | None:
    """The fewest shots that show a round's finding again; None if all suspects together do not."""
    assert found.finding is not None
    show = partial(shown, params, found.tables, believed=believed)
    for suspects in (found.suspects[-_RECENT:], found.suspects):
        if suspects and show(suspects) is not None:
            shots = minimise(suspects, show)
            return Reproducer(version, params, found.tables, show(shots) or found.finding, shots)
    return None


def run_campaign(
    params: Params,
    count: int,
    seed: int,
    jobs: int,
    progress: Progress,
    note: Callable[[str], None],
    skip: int = 0,
    captured: Sequence[bytes] = (),
) -> Generator[Round]:
    """Rounds of ``count`` shots in all, as they end, ``jobs`` at a time. The first finding should be the last: whoever
    closes the iterator stops what runs. ``skip``: shots of whole rounds that were fired before. ``captured``: see
    :class:`Adversary`."""
    if skip % ROUND:
        raise ValueError(f"skip must be whole rounds of {ROUND}, not {skip}")
    board_library(params, progress=note)  # once, before many want it
    sizes = [min(ROUND, count - start) for start in range(skip, count, ROUND)]
    seeds = [(seed << 32) + skip // ROUND + number for number in range(len(sizes))]
    done = skip
    others = set(multiprocessing.active_children())
    # SIGTERM ends a worker at once, whatever it does to the process that started it.
    with ProcessPoolExecutor(
        jobs, initializer=signal.signal, initargs=(signal.SIGTERM, signal.SIG_DFL)
    ) as pool:
        futures = [
            pool.submit(run_round, params, size, number, captured)
            for size, number in zip(sizes, seeds, strict=True)
        ]
        try:
            for future in as_completed(futures):
                result = future.result()
                done += result.shots
                progress(done, count)
                yield result
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()  # a round takes long, and nobody waits for it any more
