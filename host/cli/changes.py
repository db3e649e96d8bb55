"""Differences on paper: what `plan` and `apply` print."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from opentep.host.controller import Change as FabricChange
from opentep.host.diff import Change
from opentep.host.vswitch import VSwitchPlan
from rich.markup import escape

from .output import stdout_console

__all__ = ["Outcome", "show_fabric_changes"]

_MOST = 500
"""Changed objects that are shown one by one."""

_SIGNS = {"add": "+", "change": "~", "remove": "-"}
_COLOURS = {"+": "green", "~": "yellow", "-": "red"}


def _line(change: Change) -> tuple[str, str]:
    sign = _SIGNS[change.action]
    what = change.after or change.before
    if change.action == "change":
        what = f"{change.before} → {change.after}"
    return f"  {sign} {change.kind} {change.name}: {what}", _COLOURS[sign]


@dataclass
class Outcome:
    """Everything that was found or done."""

    fabric: Sequence[FabricChange] = ()
    """In the store."""
    teps: dict[str, list[Change]] = field(default_factory=dict)
    vswitches: dict[str, VSwitchPlan] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return (
            bool(self.fabric)
            or any(self.teps.values())
            or any(plan.changes for plan in self.vswitches.values())
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "changed": self.changed,
            "fabric": [change.as_dict() for change in self.fabric],
            "teps": {name: [change.as_dict() for change in changes] for name, changes in self.teps.items()},
            "vswitches": {
                name: {
                    "changes": [change.as_dict() for change in plan.changes],
                    "missing": list(plan.missing),
                    "instructions": plan.instructions,
                }
                for name, plan in self.vswitches.items()
            },
            "failures": self.failures,
        }

    def show(self, *, done: bool) -> None:
        show_fabric_changes(self.fabric, done=done)
        for name, changes in self.teps.items():
            _show(f"TEP {name}", changes, done)
        for name, plan in self.vswitches.items():
            if plan.instructions:
                click.echo(plan.instructions)
                if not plan.changes and not plan.missing:
                    continue
            _show(f"vSwitch {name}", plan.changes, done)
            for interface in plan.missing:
                click.echo(
                    f"  (interface {interface} is not there yet: apply again when its VM is plugged in)"
                )


def show_fabric_changes(changes: Sequence[FabricChange], *, done: bool) -> None:
    """What is different from what was stored."""
    lines = [(line, _COLOURS.get(line[0], "")) for change in changes[:_MOST] for line in change.lines()]
    if len(changes) > _MOST:
        lines.append((f"… and {len(changes) - _MOST:,} more; --json tells all of them", ""))
    _show_lines("fabric", len(changes), "object", lines, done)


def _show(title: str, changes: Iterable[Change], done: bool) -> None:
    lines = [_line(change) for change in changes]
    _show_lines(title, len(lines), "entry", lines, done)


def _show_lines(title: str, count: int, what: str, lines: Sequence[tuple[str, str]], done: bool) -> None:
    """``lines`` with their colours, about ``count`` times ``what``."""
    if not count:
        click.echo(f"{title}: nothing to change")
        return
    plural = what.removesuffix("y") + ("ies" if what.endswith("y") else "s")
    click.echo(f"{title}: {count} {what if count == 1 else plural} {'changed' if done else 'would change'}")
    console = stdout_console()
    for text, colour in lines:
        if console.is_terminal and colour:
            console.print(f"[{colour}]{escape(text)}[/]", soft_wrap=True)
        else:
            click.echo(text)
