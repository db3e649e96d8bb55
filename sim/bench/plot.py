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
    """One SVG per test whose figures depend on the size of frames; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for test in names_of(report.results):
        results = list(report.named(test))
        if not all(result.size for result in results):
            continue
        figure = _curves(results) if test == _LOSS else _bars(results)
        suite = results[0].suite
        figure.suptitle(f"{heading(results[0])} at {report.rate / 1e9:g} Gb/s per port\n{_NOTE}", fontsize=10)
        files.append(folder / f"{suite}-{test.replace(' ', '-')}.svg")
        figure.savefig(files[-1])
    return files


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
