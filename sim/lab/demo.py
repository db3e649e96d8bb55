"""`make demo`: the lab comes up, shows what the TEPs do, and goes down."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from opentep.host.losses import losses
from rich.console import Console
from rich.table import Table

from .checks import CHECKS, Outcome
from .guard import guarded
from .scene import Demo
from .shell import LabError, check_machine
from .state import Lab
from .topology import build

__all__ = ["run_demo"]


def run_demo(lab: Lab, console: Console, *, captures: Path | None = None) -> list[Outcome]:
    """Build the lab, run every check, print the table, take the lab down whatever happens.

    ``captures`` is where the captures of all ports are left. Raises :class:`.shell.LabError`.
    """
    began = time.monotonic()

    def progress(message: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/]  {message}", highlight=False)

    check_machine()
    if lab.in_use:
        raise LabError(f"lab '{lab.name}' is up; remedy: opentep lab down --name {lab.name}")
    lab.destroy()  # what one that was killed together with its guard has left
    lab.create()
    with guarded(lab):
        demo = Demo(lab, build(lab, progress))
        outcomes = [_step(check.run, check.title, demo, console, progress) for check in CHECKS]
        counters = {tep.name: demo.counters(tep.name) for tep in demo.fabric.teps.values() if not tep.foreign}
        if captures is not None:
            _keep(lab.captures, counters, captures)
    console.print(_counter_table(counters))
    console.print(_outcome_table(outcomes))
    if captures is not None:
        console.print(f"Captures of every port and the counters are in {captures}/", highlight=False)
    return outcomes


def _keep(files: Path, counters: dict[str, dict], folder: Path) -> None:
    """Leave captures and counters in ``folder``. What is made belongs to whom the place belongs, who may have called
    through sudo; what else is there stays whose it is."""
    place = folder.absolute()
    way = (place, *place.parents)
    owner = next(path for path in way if path.exists()).stat()
    made = [path for path in way if not path.exists()]
    shutil.copytree(files, place, dirs_exist_ok=True)
    made += [place / path.relative_to(files) for path in files.rglob("*")]
    summary = place / "counters.json"
    summary.write_text(json.dumps(counters, indent=2) + "\n")
    for path in (*made, summary):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _step(
    run: Callable[[Demo], Outcome], title: str, demo: Demo, console: Console, progress: Callable[[str], None]
) -> Outcome:
    progress(title)
    outcome = run(demo)
    mark = "[green]pass[/]" if outcome.passed else "[red]FAIL[/]"
    console.print(f"          {mark}  {outcome.detail}", highlight=False)
    return outcome


def _outcome_table(outcomes: list[Outcome]) -> Table:
    table = Table("", "what", "seen", title="opentep demo")
    for outcome in outcomes:
        mark = "[green]pass[/]" if outcome.passed else "[red]FAIL[/]"
        table.add_row(mark, outcome.title, outcome.detail)
    return table


def _counter_table(counters: dict[str, dict]) -> Table:
    table = Table("TEP", "port", "frames in", "frames out", "dropped", title="counters")
    for tep, values in counters.items():
        for port, count in values["ports"].items():
            dropped = ", ".join(f"{reason} {n}" for reason, n in losses(count).items() if n) or "none"
            table.add_row(tep, port, str(count["rx_frames"]), str(count["tx_frames"]), dropped)
    return table
