"""`opentep top`, and what agents tell for it."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentep.host.agent import Counted, Report, counted
from opentep.host.agent.counted import STALE_SECONDS
from opentep.host.cli import main
from opentep.host.cli.top import _short
from opentep.host.controller import Repository
from opentep.host.fabric.source import read_file
from opentep.host.store import open_store

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two-racks.yaml"
PORT = {
    "rx_frames": 1000,
    "rx_octets": 64000,
    "tx_frames": 10,
    "tx_octets": 640,
    "queue_full": 0,
    "rx_overflow": 2,
    "tx_underrun": 0,
}
TENANT = {"rx_frames": 0, "rx_octets": 0, "tx_frames": 0, "tx_octets": 0}


def counters(scale: int, spoofed: int) -> dict:
    port = {name: value * scale for name, value in PORT.items()}
    tenants = {"red": {**TENANT, "rx_octets": 1000 * scale}, "blue": {**TENANT, "rx_octets": 9000 * scale}}
    return {
        "ports": {"server": {**port, "drops": {"spoofed": spoofed, "policy": 7}}},
        "teps": {},
        "tenants": tenants,
    }


@pytest.fixture
def location(tmp_path: Path) -> str:
    return str(tmp_path / "fabric.db")


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def told(location: str) -> None:
    with closing(open_store(location)) as store:
        Repository(store, "test").replace("import", read_file(EXAMPLE))
        begun = ago(5)
        now = (datetime.fromisoformat(begun) + timedelta(seconds=5)).isoformat()
        Report("rack1", 3, "", "2026-11-27T10:00:00+00:00").store(store)
        Report("rack2", 0, "the cable is cut", "2026-11-27T10:00:00+00:00").store(store)
        first = Counted.since(None, "rack1", begun, counters(1, 5))
        Counted.since(first, "rack1", now, counters(6, 50)).store(store)


def run(location: str, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["--store", location, "top", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def tables(output: str) -> list[list[list[str]]]:
    """Ports, drops and tenants."""
    lines = [line.split() for line in output.splitlines()]
    heads = [index for index, line in enumerate(lines) if line[0] in ("TEP", "DROPPED", "TENANT")]
    return [lines[start + 1 : end] for start, end in zip(heads, [*heads[1:], len(lines)], strict=True)]


def test_rates_drops_and_tenants(location: str) -> None:
    told(location)
    ports, drops, tenants = tables(run(location))
    assert ports[1] == ["rack1", "server", "1", "k", "512", "k", "10", "5.12", "k", "11", "well"]
    assert ports[0] == ["rack2", *["the", "cable", "is", "cut"]]
    assert drops == [
        ["spoofed", "rack1", "server", "9", "50"],
        ["rx_overflow", "rack1", "server", "2", "12"],
        ["policy", "rack1", "server", "0", "7"],
    ]
    assert [row[0] for row in tenants] == ["blue", "red"], "the busiest first"


def test_for_programs(location: str) -> None:
    told(location)
    found = json.loads(run(location, "--json"))
    assert found["rack1"]["rates"]["ports"]["server"]["drops"] == {"spoofed": 9.0, "policy": 0.0}
    assert found["rack1"]["counters"]["ports"]["server"]["rx_frames"] == 6000


def test_counters_that_begin_anew_have_no_rate() -> None:
    first = Counted.since(None, "rack1", "2026-11-27T10:00:00+00:00", counters(9, 90))
    second = Counted.since(first, "rack1", "2026-11-27T10:00:05+00:00", counters(1, 1))
    assert (
        second.rates["ports"]["server"]["rx_frames"] == 0
        and second.rates["ports"]["server"]["drops"]["spoofed"] == 0
    )


def test_what_is_old_or_of_nobody_is_not_shown(location: str) -> None:
    told(location)
    with closing(open_store(location)) as store:
        repository = Repository(store)
        assert counted(repository).keys() == {"rack1"}
        Counted.since(None, "rack1", ago(STALE_SECONDS + 1), counters(1, 1)).store(store)
        Counted.since(None, "gone", ago(1), counters(1, 1)).store(store)
        assert counted(repository) == {}


def test_figures_are_short_and_rows_few(location: str) -> None:
    told(location)
    assert "and 1 more" in run(location, "--rows", "1")
    assert [_short(n) for n in (999.4, 999.6, 999_949, 999_999, 12_345)] == [
        "999",
        "1 k",
        "1 M",
        "1 M",
        "12.3 k",
    ]


def test_nobody_has_told_anything(location: str) -> None:
    with closing(open_store(location)):
        pass
    assert "run `opentep agent`" in run(location, code=1)
