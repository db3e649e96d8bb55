"""How far a tenant table fills before the first key is refused, and what an insertion costs."""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

from opentep.gateware.lookup.tables import tenant_geometry
from opentep.gateware.params import Params
from opentep.host.cuckoo import CuckooPlacement, TableFullError

__all__ = ["TABLES", "Filled", "fill_tenant_tables"]

TABLES = ((2, 2), (2, 4), (3, 2), (3, 4))
"""Choices and slots that a core may be built with."""


@dataclass(frozen=True)
class Filled:
    """Tables of one shape, each filled with other keys under another seed."""

    choices: int
    slots: int
    depth: int
    """Slots in all, without the stash."""
    promised: int
    """Keys that the compiler takes for sure to fit."""
    least: int
    """Keys that stood in the worst of the tables, stash included, when one was refused; then the median."""
    median: float
    microseconds: float
    """Mean time of an insertion on this machine, and the longest."""
    longest_microseconds: float
    moves: float
    """Entries that an insertion moves, in the mean; each is a write to the TEP. And at most."""
    most_moves: int

    def as_dict(self) -> dict[str, object]:
        return asdict(self) | {"least_fill": self.least / self.depth, "median_fill": self.median / self.depth}


def _fill(placement: CuckooPlacement, rng: random.Random) -> tuple[list[float], list[int]]:
    """Seconds and moves per insertion of OUIs, half of them in a row, until one is refused."""
    seconds: list[float] = []
    moves: list[int] = []
    row = rng.getrandbits(20)
    while True:
        oui = row + len(moves) if rng.random() < 0.5 else rng.getrandbits(24)
        key = oui << 24
        if key in placement:
            continue
        begin = time.perf_counter()
        try:
            writes = placement.insert(key, 0)
        except TableFullError:
            return seconds, moves
        seconds.append(time.perf_counter() - begin)
        moves.append(len(writes) - 1)


def fill_tenant_tables(params: Params, tables: int, progress: Callable[[int, int], None]) -> Iterator[Filled]:
    """Fill ``tables`` tables of every shape for as many tenants as ``params`` has."""
    for number, (choices, slots) in enumerate(TABLES):
        shape = tenant_geometry(replace(params, tenant_choices=choices, tenant_slots=slots))
        counts: list[int] = []
        seconds: list[float] = []
        moves: list[int] = []
        for seed in range(tables):
            progress(number * tables + seed, len(TABLES) * tables)
            rng = random.Random(seed)
            placement = CuckooPlacement(
                shape.hash,
                shape.buckets,
                slots=slots,
                choices=choices,
                stash=shape.stash,
                seed=rng.getrandbits(64),
            )
            some_seconds, some_moves = _fill(placement, rng)
            counts.append(len(placement))
            seconds += some_seconds
            moves += some_moves
        yield Filled(
            choices,
            slots,
            shape.depth,
            shape.room,
            min(counts),
            statistics.median(counts),
            1e6 * statistics.mean(seconds),
            1e6 * max(seconds),
            statistics.mean(moves),
            max(moves),
        )
    progress(len(TABLES) * tables, len(TABLES) * tables)
