"""What a round is about: the tables of a TEP, and how fast frames may come there."""

import random
from dataclasses import dataclass, replace

from opentep.gateware.params import Params
from opentep.gateware.storm.limit import CLOCKS_PER_TICK
from opentep.host.tables import TepTables

from ..random_tables import Learning, random_tables
from ..traffic import Aside
from .captured import LONGEST

__all__ = ["CORE", "FULL_LOAD", "Pace", "Scene", "scene_of"]

CORE = Params(counted_tenants=1024, storm_tenants=1024, known_addresses=64)
"""The default core, with all that it may do."""


@dataclass(frozen=True)
class Pace:
    """How fast shots come: so that single clocks do not decide what becomes of them."""

    volley: int = 16
    """Shots at most between two looks at what has left."""
    requests: int = 16
    """Of these, short ones from servers at most: requests that may be answered."""
    gap: int = 0
    """Nanoseconds from the end of a shot to the next one, on whatever port; 0: full load on all ports."""
    aside: Aside | None = None
    """From the ticks of storm control."""


FULL_LOAD = Pace()
_WITH_ANSWERS = Pace(requests=4)
"""As many as find room on the way to an answer (``gateware/suppression/detour.py``)."""
_CLOCKS = 600
"""More than it takes from the end of a frame to its verdict, than learning takes, and than an answer takes."""
_SHORT = 300
"""Enough for all that is learned or answered, and soon over."""


@dataclass(frozen=True)
class Scene:
    """A TEP to shoot at."""

    tables: TepTables
    pace: Pace = FULL_LOAD
    longest: int = LONGEST
    """Octets of an ordinary frame."""

    @property
    def has_memory(self) -> bool:
        """What a TEP does to a frame depends on those before."""
        return self.pace.gap > 0


def scene_of(seed: int, params: Params) -> Scene:
    """Of five seeds in a row, three stand full load. At one the TEP answers for VMs, and at one its tenants learn, have
    limits, or both: as far as the core can."""
    rng = random.Random(seed)
    if seed % 5 == 3:
        return _with_memory(rng, params)
    tables = random_tables(rng, params)
    if seed % 5 == 1 and params.suppresses:
        return Scene(tables, _WITH_ANSWERS)
    return Scene(_without_answers(tables))


def _with_memory(rng: random.Random, params: Params) -> Scene:
    learns, limited = rng.choice(((True, False), (False, True), (True, True), (True, True)))
    tables = random_tables(rng, params, Learning(learns, learns), storm=limited)
    # The table of MAC addresses never gets so full that the gateware refuses one: the model's is endless.
    room = (params.macs // 2 - len(tables.macs)) // len(tables.tenants)
    tables = replace(tables, learned_limit=max(1, min(tables.learned_limit, room)))
    return Scene(tables, _one_by_one(params), _SHORT)


def _one_by_one(params: Params) -> Pace:
    """All that a frame changes is there before the next one ends, and all buckets are filled before it does."""

    def nanoseconds(clocks: int) -> int:
        return -(-clocks * 1_000_000_000 // params.clock_hz)

    filling = params.limited_tenants * CLOCKS_PER_TICK
    gap = nanoseconds(_CLOCKS)
    return Pace(gap=gap, aside=Aside(before=gap, behind=nanoseconds(filling + _CLOCKS)))


def _without_answers(tables: TepTables) -> TepTables:
    tenants = tuple(replace(tenant, suppresses=False) for tenant in tables.tenants)
    return replace(tables, tenants=tenants, known=())
