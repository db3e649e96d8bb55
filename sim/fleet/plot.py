"""What was measured as a plot, for which matplotlib is needed (`opentep[bench]`)."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from .measure import Fleet

__all__ = ["plot_fleets"]


def plot_fleets(fleets: Sequence[Fleet], folder: Path) -> Path:
    """Times and the store's load over the size of the fabric; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [fleet.teps for fleet in fleets]
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    times, load = figure.subplots(1, 2)
    for label, values in (
        ("until all TEPs hold the change", [fleet.last_seconds for fleet in fleets]),
        ("until half of them do", [fleet.median_seconds for fleet in fleets]),
        ("to store it", [fleet.store_seconds for fleet in fleets]),
    ):
        times.plot(sizes, values, "o-", label=label)
    times.set_ylabel("seconds")
    for label, values in (
        ("requests for the change", [float(fleet.change_requests) for fleet in fleets]),
        ("requests for it and TEP", [fleet.change_requests / fleet.concerned for fleet in fleets]),
        ("requests per second without one", [fleet.idle_requests for fleet in fleets]),
    ):
        load.plot(sizes, values, "o-", label=label)
    load.set_ylabel("requests to etcd")
    for axes in (times, load):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("TEPs")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.suptitle(
        "1 % of the VMs go to another rack: agents with TEPs in memory, all on one machine with their etcd",
        fontsize=10,
    )
    path = folder / "agents.svg"
    figure.savefig(path)
    return path
