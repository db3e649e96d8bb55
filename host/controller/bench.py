"""How long the controller takes, and how much memory."""

import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from opentep.host.compile import compile_tep
from opentep.host.fabric.large import large_document
from opentep.host.fabric.model import Fabric
from opentep.host.fabric.source import Source, read_source
from opentep.host.fabric.state import State
from opentep.host.memory import without_collection
from opentep.host.store import SqliteStore, Store

from .objects import Key
from .repository import Repository

__all__ = ["Timing", "measure_controller"]

_TIMES = 20
"""That short things are done, for the median."""


@dataclass(frozen=True)
class Timing:
    """Of one thing that a controller does."""

    what: str
    seconds: float
    """Median, if it was done several times."""
    worst: float
    mebibytes: int
    """Greatest size of the process so far."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _compile_all(fabric: Fabric, state: State, source: Source) -> None:
    for name in fabric.teps:
        compile_tep(fabric, name, state, source)


def measure_controller(
    store: Store, teps: int, tenants: int, vms: int, told: Callable[[str], None] = lambda what: None
) -> Iterator[Timing]:
    """With a fabric of that size, in ``store``, which must be empty. ``told`` what is next."""
    seconds: list[float] = []

    @contextmanager
    def timed(what: str) -> Iterator[None]:
        told(what)
        begun = time.perf_counter()
        yield
        seconds.append(time.perf_counter() - begun)

    def timing(what: str) -> Timing:
        result = Timing(what, statistics.median(seconds), max(seconds), _mebibytes())
        seconds.clear()
        return result

    text = large_document(teps, tenants, vms)
    with without_collection():
        what = "plan from empty: read, check, allocate, tables of all TEPs"
        memory = SqliteStore(None)
        with timed(what):
            source = read_source(text, "large.yaml")
            Repository(memory).replace("plan", source, compiling=_compile_all, dry_run=True)
        memory.close()
        yield timing(what)
        repository = Repository(store, "bench")
        with timed("store the document"):
            repository.replace("import", source)
        yield timing("store the document")
        del source

    def put(kind: str, name: str, spec: dict[str, str] | None) -> None:
        repository.edit("bench", lambda get: {Key(kind, name): spec})

    changes: dict[str, Callable[[int], object]] = {
        "add a VM": lambda number: put("vms", f"new{number}", _vm(number, teps)),
        "move a VM": lambda number: put("vms", f"new{number}", _vm(number, teps, by=1)),
        "remove a VM": lambda number: put("vms", f"new{number}", None),
        "tables of one TEP": lambda number: repository.tables(f"rack{number % teps}"),
        "add a tenant": lambda number: put("tenants", f"new{number}", {}),
    }
    for what, do in changes.items():
        for number in range(_TIMES):
            with timed(what):
                do(number)
        yield timing(what)


def _vm(number: int, teps: int, by: int = 0) -> dict[str, str]:
    return {"tenant": f"tenant{number}", "vswitch": f"vswitch{(number + by) % teps}"}


def _mebibytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
