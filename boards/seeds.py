"""Several placements of one netlist, two at a time, until one is good enough."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from .placement import PARALLEL
from .tools import Cancel

__all__ = ["run_seeds"]

Result = TypeVar("Result")


def run_seeds(
    seeds: Sequence[int],
    run: Callable[[int, Cancel], Result],
    is_enough: Callable[[Result], bool],
) -> dict[int, Result]:
    """Results of ``run`` by seed, up to the first of ``seeds`` whose result ``is_enough``, or of all.

    What is under way for later seeds is cancelled then. Which seed ends the search depends on their order alone, never
    on which run was faster, so that a build can be repeated. An exception of ``run`` ends all runs and is raised.
    """
    results: dict[int, Result] = {}
    running: dict[Future[Result], tuple[int, Cancel]] = {}
    waiting = list(seeds)

    def drop(later_than: int) -> None:
        for future, (seed, cancel) in list(running.items()):
            if seeds.index(seed) > later_than:
                cancel()
                del running[future]

    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < PARALLEL:
                    seed, cancel = waiting.pop(0), Cancel()
                    running[pool.submit(run, seed, cancel)] = (seed, cancel)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    if future not in running:  # dropped by a result of this very moment
                        continue
                    seed, _ = running.pop(future)
                    results[seed] = future.result()
                    if is_enough(results[seed]):
                        waiting.clear()
                        drop(seeds.index(seed))
        finally:
            drop(-1)
    last = next((seed for seed in seeds if seed in results and is_enough(results[seed])), seeds[-1])
    return {seed: results[seed] for seed in seeds[: seeds.index(last) + 1]}
