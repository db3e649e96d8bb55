"""Results as plots, for which matplotlib is needed (`opentep[bench]`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from .result import Report, Result
from .table import heading, names_of

__all__ = ["plot_report"]

_NOTE = "Verilated gateware in simulated time, no hardware"
_LOSS = "loss"


def plot_report(report: Report, folder: Path) -> list[Path]:
    """One SVG per test; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for test in names_of(report.results):
        results = list(report.named(test))
        figure = _figure(test, results)
        suite = results[0].suite
        figure.suptitle(f"{heading(results[0])} at {report.rate / 1e9:g} Gb/s per port\n{_NOTE}", fontsize=10)
        files.append(folder / f"{suite}-{test.replace(' ', '-')}.svg")
        figure.savefig(files[-1])
    return files


def _figure(test: str, results: Sequence[Result]) -> Figure:
    if test == _LOSS:
        return _curves(results)
    return _bars(results) if all(result.size for result in results) else _groups(results)


def _panels(flows: Sequence[str]) -> tuple[Figure, list[Any]]:
    columns = min(len(flows), 2)
    rows = -(-len(flows) // columns)
    figure = Figure(figsize=(6 * columns, 3 + 2.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis in axes[len(flows) :]:
        axis.set_visible(False)
    return figure, list(axes)


def _bars(results: Sequence[Result]) -> Figure:
    """Measured beside the limit, a panel per flow, a pair of bars per size; latencies with their range."""
    flows = list(dict.fromkeys(result.flow for result in results))
    figure, axes = _panels(flows)
    for axis, flow in zip(axes, flows, strict=False):
        own = [result for result in results if result.flow == flow]
        places = range(len(own))
        values = [result.measured for result in own]
        axis.bar([place - 0.2 for place in places], values, 0.4, label="measured")
        limits = [0 if result.limit is None else result.limit for result in own]
        axis.bar([place + 0.2 for place in places], limits, 0.4, label="theoretical limit", alpha=0.5)
        if "max" in own[0].details:
            axis.set_yscale("symlog", linthresh=100)
            low = [result.measured - float(result.details["min"]) for result in own]
            high = [float(result.details["max"]) - result.measured for result in own]
            axis.errorbar([place - 0.2 for place in places], values, [low, high], fmt="none", ecolor="black")
        axis.set_xticks(list(places), [result.size for result in own])
        axis.set_title(flow, fontsize=9)
        axis.set_xlabel("octets with FCS")
        axis.set_ylabel(own[0].unit)
        axis.legend(fontsize=8)
    return figure


def _groups(results: Sequence[Result]) -> Figure:
    """Of a test without sizes: a group of bars per flow, a bar for each of its figures, with the number beside it."""
    rows = [_figures(result) for result in results]
    names = list(rows[0])
    figure = Figure(figsize=(9, 2 + 0.2 * len(names) * len(rows)), layout="constrained")
    axis = figure.subplots()
    thickness = 0.8 / len(names)
    for number, name in enumerate(names):
        places = [place + (number + 0.5) * thickness - 0.4 for place in range(len(rows))]
        bars = axis.barh(places, [row[name] for row in rows], thickness, label=name)
        axis.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=7)
    axis.set_yticks(range(len(rows)), [result.flow for result in results])
    axis.invert_yaxis()
    axis.margins(x=0.1)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _figures(result: Result) -> dict[str, float]:
    """All numbers of a result by name."""
    limit = {} if result.limit is None else {"theoretical limit": result.limit}
    details = {name: float(value) for name, value in result.details.items() if not isinstance(value, str)}
    return {f"measured ({result.unit})": result.measured} | limit | details


def _curves(results: Sequence[Result]) -> Figure:
    """Loss over offered rate, a panel per flow, a curve per size; limits dashed. Measured only where queues filled."""
    flows = list(dict.fromkeys(result.flow for result in results))
    figure, axes = _panels(flows)
    for axis, flow in zip(axes, flows, strict=False):
        for size in dict.fromkeys(result.size for result in results if result.flow == flow):
            own = [result for result in results if (result.flow, result.size) == (flow, size)]
            whole = [result for result in own if result.details.get("queues") != "still filling"]
            (line,) = axis.plot(
                _offered(whole), [100 * result.measured for result in whole], "o-", label=size
            )
            axis.plot(
                _offered(own), [100 * (result.limit or 0) for result in own], "--", color=line.get_color()
            )
        axis.set_title(f"{flow} (dashed: theoretical)", fontsize=9)
        axis.set_ylim(0, max(5.0, *axis.get_ylim()))
        axis.set_xlabel("offered, % of the line")
        axis.set_ylabel("lost, %")
        axis.legend(fontsize=8)
    return figure


def _offered(results: Sequence[Result]) -> list[float]:
    """Offered rates in per cent of the line."""
    return [100 * float(result.details["of the line"]) for result in results]
