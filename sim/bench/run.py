"""From a name to a report."""

from collections.abc import Callable

from opentep.gateware.params import Params

from ..wire import GIGABIT
from .result import Report
from .rfc2544 import run_rfc2544
from .rfc2889 import run_rfc2889
from .rig import Rig
from .settings import Advance, Settings

__all__ = ["SUITES", "run_suite"]

SUITES = {"rfc2544": run_rfc2544, "rfc2889": run_rfc2889}


def _no_progress(done: int, total: int) -> None:
    """Nobody wants to know."""


def run_suite(
    suite: str,
    params: Params,
    rate: int = GIGABIT,
    settings: Settings | None = None,
    advance: Advance = _no_progress,
    *,
    note: Callable[[str], None] | None = None,
) -> Report:
    """Build the gateware if needed, and run all tests of ``suite`` on it.

    ``note`` is told what takes time before the first test. Raises :class:`..toolchain.ToolError` if the simulator
    cannot be built.
    """
    with Rig(params, rate, note=note) as rig:
        results = tuple(SUITES[suite](rig, settings or Settings(), advance))
        return Report(params.as_dict(), rate, results, rig.speed)
