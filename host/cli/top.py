"""`opentep top`."""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import click
from opentep.host.agent import Counted, Report, counted, reports
from opentep.host.controller import Repository
from opentep.host.losses import losses
from rich.console import Group
from rich.live import Live

from .errors import CommandError
from .options import json_option
from .output import Cell, make_table, print_json, print_table, stdout_console
from .store import open_stored
from .stream import count_option

__all__ = ["command"]

_PORTS = ("TEP", "port", "in fps", "in bit/s", "out fps", "out bit/s", "dropped fps", "state")
_DROPS = ("dropped", "TEP", "port", "fps", "in all")
_TENANTS = ("tenant", "TEP", "in fps", "in bit/s", "out fps", "out bit/s")
_STEPS = ("", "k", "M", "G", "T")

Rows = list[list[Cell]]


def _short(number: float) -> str:
    """Three digits and a decimal prefix."""
    step = 0
    while round(number, 0 if step == 0 else 1) >= 999.5 and step < len(_STEPS) - 1:
        number, step = number / 1000, step + 1
    return f"{number:.0f}" if step == 0 else f"{number:.3g} {_STEPS[step]}"


def _traffic(rates: Mapping[str, float]) -> list[Cell]:
    return [
        _short(rates[f"{way}_{unit}"] * scale)
        for way in ("rx", "tx")
        for unit, scale in (("frames", 1), ("octets", 8))
    ]


def _ports(told: Mapping[str, Counted], said: Mapping[str, Report]) -> Rows:
    """First TEPs with a problem, then the ports that drop most, then the busiest ones."""
    found: list[tuple[Any, list[Cell]]] = []
    for tep in said.keys() | told.keys():
        error = said[tep].error if tep in said else ""
        state = error or ("well" if tep in said else "")
        if tep not in told:
            found.append(((not error, 0, 0, tep, ""), [tep, *[""] * (len(_PORTS) - 2), state]))
            continue
        for port, rates in told[tep].rates["ports"].items():
            drops = sum(losses(rates).values())
            octets = rates["rx_octets"] + rates["tx_octets"]
            row: list[Cell] = [tep, port, *_traffic(rates), _short(drops), state]
            found.append(((not error, -drops, -octets, tep, port), row))
    return [row for _, row in sorted(found, key=lambda item: item[0])]


def _drops(told: Mapping[str, Counted]) -> Rows:
    """The most frequent ones first."""
    found = [
        (rate, total, reason, tep, port)
        for tep, item in told.items()
        for port, rates in item.rates["ports"].items()
        for (reason, rate), total in zip(
            losses(rates).items(), losses(item.counters["ports"][port]).values(), strict=True
        )
        if total
    ]
    found.sort(key=lambda row: (-row[0], -row[1], row[2:]))
    return [[reason, tep, port, _short(rate), _short(total)] for rate, total, reason, tep, port in found]


def _tenants(told: Mapping[str, Counted]) -> Rows:
    """The busiest ones first, as far as TEPs have counters of them."""
    found = [
        (sum(rates[f"{way}_octets"] for way in ("rx", "tx")), tenant, tep, rates)
        for tep, item in told.items()
        for tenant, rates in item.rates["tenants"].items()
    ]
    found.sort(key=lambda row: (-row[0], row[1:3]))
    return [[tenant, tep, *_traffic(rates)] for _, tenant, tep, rates in found]


def _cut(body: Rows, rows: int) -> Rows:
    """The first ones, and how many more there are."""
    more = len(body) - rows
    return body if more <= 0 else [*body[:rows], [f"and {more} more", *[""] * (len(body[0]) - 1)]]


def _look(repository: Repository) -> tuple[dict[str, Counted], dict[str, Report]]:
    told, said = counted(repository), reports(repository)
    if not told and not said:
        raise CommandError("no agent has told anything; remedy: run `opentep agent`")
    return told, said


@click.command()
@click.option(
    "-i",
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks.",
)
@count_option("looks; without it one, on a terminal no end")
@click.option(
    "--rows", type=click.IntRange(min=1), default=20, show_default=True, help="Of each table at most."
)
@json_option
def command(interval: float, count: int | None, rows: int, as_json: bool) -> None:
    """Watch all TEPs: traffic, what is dropped and why, the busiest tenants.

    Shows what their agents put into the store (`opentep agent --counters`), per second. Of one TEP without an agent,
    `opentep show counters --watch 1` shows it.

    \b
    opentep top
    opentep top --count 1 --json | jq '.rack1.rates.ports'
    """
    console = stdout_console()
    redraw = console.is_terminal and not as_json
    left = count if count is not None or redraw else 1
    with open_stored() as repository, Live(console=console, screen=True) if redraw else nullcontext() as live:
        while left is None or left > 0:
            told, said = _look(repository)
            tables = [(_PORTS, _ports(told, said)), (_DROPS, _drops(told)), (_TENANTS, _tenants(told))]
            if as_json:
                print_json({tep: item.as_dict() for tep, item in told.items()})
            elif live is not None:
                shown = [_cut(body, rows) for _, body in tables]
                parts = [
                    make_table(head, body) for (head, _), body in zip(tables, shown, strict=True) if body
                ]
                live.update(Group(*parts), refresh=True)
            else:
                for head, body in tables:
                    if body:
                        print_table(head, _cut(body, rows))
            left = None if left is None else left - 1
            if left != 0:
                time.sleep(interval)
