"""From a build plan to a bitstream that keeps every clock, or a report that says which it does not."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .bitstream import pack, retarget, timing_sibling
from .crossings import stray_paths
from .devices import DEVICES
from .hierarchy import Hierarchy
from .placement import Placement, place_and_route
from .plan import UNCONSTRAINED_MHZ, BuildPlan
from .report import REPORT, BitstreamFile, BoardReport
from .seeds import run_seeds
from .synthesis import NETLIST, synthesise
from .timing import Timing, read_timing
from .tools import Cancel, Progress, ToolError, silent, tool_versions

__all__ = ["BuildOptions", "build_bitstream"]

_CONSTRAINTS = "top.lpf"
_COMPONENT_DEPTH = 3


@dataclass(frozen=True)
class BuildOptions:
    """How hard to try."""

    seeds: Sequence[int] = (1, 2, 3, 4)
    """Placements to try, in this order."""
    all_seeds: bool = False
    """All of them, though one is good enough already: for median and worst."""
    margin: float = 0.0
    """By how much every clock must be faster than its constraint: 0.1 is ten percent."""


def build_bitstream(
    board: str,
    plan: BuildPlan,
    timing_model: str,
    where: Path,
    *,
    build: int = 0,
    params: Mapping[str, int] | None = None,
    options: BuildOptions | None = None,
    progress: Progress = silent,
) -> BoardReport:
    """Build ``plan`` in the folder ``where``, judged by the device ``timing_model`` of :data:`.devices.DEVICES`.

    Writes ``report.json``, and only if every clock has a constraint and keeps it, with the margin that is wanted,
    ``BOARD.bit`` and ``BOARD.config``, Trellis' text form of the same; those of an earlier build go in any case. Logs
    and reports of all tools stay there, too. Raises :class:`ToolError` for what is no matter of speed: a missing tool,
    a design that does not fit, or one with paths between clock domains outside of crossing components.
    """
    options = options or BuildOptions()
    if not options.seeds:
        raise ValueError("seeds must not be empty")
    if timing_model != f"{timing_sibling(plan.device)}-{plan.speed}":
        raise ToolError(f"{plan.device}-{plan.speed} cannot be judged by the timing of {timing_model}")
    where.mkdir(parents=True, exist_ok=True)
    configuration, bitstream = where / f"{board}.config", where / f"{board}.bit"
    for stale in (configuration, bitstream, where / REPORT):
        stale.unlink(missing_ok=True)

    progress("synthesis", "running")
    synthesise(plan.rtlil, where)
    hierarchy = Hierarchy.read(where)
    _check_crossings(hierarchy)
    progress("synthesis", "done")

    (where / _CONSTRAINTS).write_text(plan.constraints)
    arguments = [*replace(DEVICES[timing_model], package=plan.package.upper()).options, *plan.place_options]
    arguments += ["--json", NETLIST, "--lpf", _CONSTRAINTS, "--freq", str(UNCONSTRAINED_MHZ)]

    def run(seed: int, cancel: Cancel) -> tuple[Placement, Timing]:
        placement = place_and_route(where, arguments, seed, configure=True, progress=progress, cancel=cancel)
        return placement, read_timing(placement, hierarchy)

    def is_enough(result: tuple[Placement, Timing]) -> bool:
        _, timing = result
        # No seed gives a clock a constraint.
        return bool(timing.unconstrained) or (not options.all_seeds and timing.margin >= options.margin)

    results = run_seeds(options.seeds, run, is_enough)
    report = BoardReport(
        board,
        plan.device,
        timing_model,
        build,
        params or {},
        options.margin,
        {seed: timing for seed, (_, timing) in results.items()},
        resources={},
        components=hierarchy.sizes(board, _COMPONENT_DEPTH),
        tools=tool_versions(),
    )
    best, _ = results[report.seed]
    use = best.report["utilization"]
    report = replace(
        report, resources={name: (one["used"], one["available"]) for name, one in use.items() if one["used"]}
    )
    if report.ok:
        progress("bitstream", "running")
        configuration.write_text(retarget(best.configuration.read_text(), plan.device))
        pack(configuration, bitstream, plan.pack_options)
        content = bitstream.read_bytes()
        file = BitstreamFile(bitstream.name, len(content), hashlib.sha256(content).hexdigest())
        report = replace(report, bitstream=file)
        progress("bitstream", "done")
    report.write(where)
    return report


def _check_crossings(hierarchy: Hierarchy) -> None:
    stray = stray_paths(hierarchy)
    if stray:
        more = f", and {len(stray) - 1} more" if len(stray) > 1 else ""
        raise ToolError(
            f"{stray[0]}{more}; remedy: put an FFSynchronizer behind a single register, a PulseSynchronizer or an"
            " AsyncFifo between"
        )
