"""Tables and plots of made-up results."""

import json
from dataclasses import replace

import pytest
from opentep.gateware.params import Params
from opentep.sim.bench.plot import plot_report
from opentep.sim.bench.result import Report, Result, Speed
from opentep.sim.bench.table import as_rows, heading, names_of

THROUGHPUT = Result(
    "rfc2544", "throughput", "hairpin", "64", 1_400_000.0, 1_488_095.2, "frames/s", "…", {"lost": 3}, False
)
LOSS = Result("rfc2544", "loss", "hairpin", "64", 0.25, 0.3, "of the frames", "…", {"of the line": 0.9}, None)
LATENCY = Result("rfc2544", "latency", "hairpin", "64", 150.0, 0.0, "ns", "…", {"min": 136.0, "max": 200.0})
CAPACITY = Result("rfc2889", "address caching capacity", "learned", "", 1876, 1987, "addresses", "…")
ERRORED = Result(
    "rfc2889", "errored frames", "runt", "", 0, 0, "forwarded", "…", {"sent": 200, "counted": 197}, False
)


@pytest.fixture
def report() -> Report:
    results = (THROUGHPUT, replace(LOSS, size="128"), LOSS, LATENCY, CAPACITY)
    return Report(Params().as_dict(), 10**9, results, Speed(100, 1000, 8000, 0.5))


def test_a_row_has_the_limit_beside_the_figure():
    columns, rows = as_rows([THROUGHPUT, replace(THROUGHPUT, limit=None, passed=True)])
    assert columns == ["flow", "size", "measured (frames/s)", "theoretical limit", "of limit", "lost", "ok"]
    assert rows[0] == ["hairpin", "64", "1,400,000", "1,488,095", "94.1%", "3", "NO"]
    assert rows[1][3:] == ["none", "", "3", "yes"]


def test_losses_are_percentages():
    assert as_rows([LOSS])[1] == [["hairpin", "64", "25.00%", "30.00%", "90.0%"]]


def test_names(report):
    assert names_of(report.results) == ["throughput", "loss", "latency", "address caching capacity"]
    assert heading(LOSS) == "RFC 2544 loss"


def test_json_says_what_ran(report):
    document = json.loads(json.dumps(report.as_dict()))
    assert "no hardware" in document["what"]
    assert document["results"][0]["share"] == pytest.approx(0.9408, abs=1e-4)
    assert document["speed"]["frames_per_second"] == 200
    assert report.failed == [THROUGHPUT]


def test_plots_of_every_test(report, tmp_path):
    report = replace(report, results=(*report.results, ERRORED, replace(ERRORED, flow="bad FCS")))
    files = plot_report(report, tmp_path / "plots")
    assert [file.name for file in files] == [
        "rfc2544-throughput.svg",
        "rfc2544-loss.svg",
        "rfc2544-latency.svg",
        "rfc2889-address-caching-capacity.svg",
        "rfc2889-errored-frames.svg",
    ]
    assert all("<svg" in file.read_text() for file in files)
    # Of each text there is a comment, as letters are drawn.
    capacity, errored = (file.read_text() for file in files[3:])
    assert all(
        f"<!-- {text} -->" in capacity
        for text in ("learned", "measured (addresses)", "1,876", "theoretical limit", "1,987")
    )
    assert all(
        f"<!-- {text} -->" in errored
        for text in ("runt", "bad FCS", "measured (forwarded)", "sent", "counted", "197")
    )
