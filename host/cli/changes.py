"""Differences on paper: what `plan` and `apply` print."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import click
from opentep.host.diff import Change
from opentep.host.vswitch import VSwitchPlan
from rich.markup import escape

from .output import stdout_console

__all__ = ["Outcome"]

_SIGNS = {"add": ("+", "green"), "change": ("~", "yellow"), "remove": ("-", "red")}


def _line(change: Change) -> tuple[str, str]:
    sign, colour = _SIGNS[change.action]
    what = change.after or change.before
    if change.action == "change":
        what = f"{change.before} → {change.after}"
    return f"  {sign} {change.kind} {change.name}: {what}", colour


@dataclass
class Outcome:
    """Everything that was found or done."""

    teps: dict[str, list[Change]] = field(default_factory=dict)
    vswitches: dict[str, VSwitchPlan] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return any(self.teps.values()) or any(plan.changes for plan in self.vswitches.values())

    def as_dict(self) -> dict[str, Any]:
        return {
            "changed": self.changed,
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
        for name, changes in self.teps.items():
            _show(f"TEP {name}", changes, done)
        for name, plan in self.vswitches.items():
            if plan.instructions:
                click.echo(plan.instructions)
                continue
            _show(f"vSwitch {name}", plan.changes, done)
            for interface in plan.missing:
                click.echo(
                    f"  (interface {interface} is not there yet: apply again when its VM is plugged in)"
                )


def _show(title: str, changes: Iterable[Change], done: bool) -> None:
    lines = [_line(change) for change in changes]
    if not lines:
        click.echo(f"{title}: nothing to change")
        return
    verb = "changed" if done else "would change"
    click.echo(f"{title}: {len(lines)} {'entry' if len(lines) == 1 else 'entries'} {verb}")
    console = stdout_console()
    for text, colour in lines:
        if console.is_terminal:
            console.print(f"[{colour}]{escape(text)}[/]", soft_wrap=True)
        else:
            click.echo(text)
