"""`opentep bench`: options, exit codes, JSON."""

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from opentep.gateware.params import Params
from opentep.host.cli import main
from opentep.sim.bench import run as bench_run
from opentep.sim.bench.result import Report, Speed
from opentep.sim.bench.result import Result as Figure
from opentep.sim.bench.settings import Settings

THROUGHPUT = Figure(
    "rfc2544", "throughput", "hairpin", "64", 1.4e6, 1488095.2, "frames/s", "searched", {}, True
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["bench", *arguments])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list:
    """Nothing is simulated; what would be."""
    calls = []

    def run_suite(suite, params, rate, settings, advance, *, note):
        calls.append((suite, params, rate, settings))
        result = replace(THROUGHPUT, passed=settings.flows != ("both",))
        return Report(params.as_dict(), rate, (result,), Speed(1, 2, 3, 4.0))

    monkeypatch.setattr(bench_run, "run_suite", run_suite)
    return calls


@pytest.mark.parametrize("name", ["all", "rfc2544", "rfc2889", "link", "load", "controller", "agents"])
def test_help_with_examples(name):
    assert f"opentep bench {name} " in run(name, "--help").output
    assert name in run("--help").output


def test_without_a_name_everything_runs(asked):
    result = run()
    assert result.exit_code == 0, result.output
    assert [(suite, params.access_ports) for suite, params, _, _ in asked] == [("rfc2544", 1), ("rfc2889", 3)]
    assert "RFC 2544 throughput: searched" in result.output
    assert "1,488,095" in result.output and "no hardware" in result.output


def test_options(asked):
    words = "rfc2544 --size imix --size 64 --flow hairpin --width 64 --access-ports 2 --param tenants=64"
    assert run(*words.split(), "--rate", "2.5G", "--frames", "20").exit_code == 0
    ((suite, params, rate, settings),) = asked
    assert suite == "rfc2544"
    assert params == Params(width=64, access_ports=2, tenants=64)
    assert rate == 2_500_000_000
    assert settings == Settings(sizes=("IMIX", "64"), flows=("hairpin",), frames=20)


def test_the_datapath_s_own_rate(asked):
    run("rfc2889", "--quick", "--rate", "max")
    assert asked[0][2] == 1_000_000_000, "4 Gb/s among four ports"
    assert asked[0][3].quick and asked[0][3].duration_ns == 100_000


def test_lost_frames_are_a_failure(asked):
    result = run("rfc2544", "--flow", "both")
    assert result.exit_code == 1
    assert "lost at 100 %" in result.output and "throughput hairpin 64" in result.output


def test_json(asked):
    (report, _) = json.loads(run("--json").output)
    assert report["results"][0]["limit"] == 1488095.2


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ("--rate 9G", "more than the datapath"),
        ("--rate fast", "is no rate"),
        ("--size 63", "is not one of"),
        ("--width 33", "width must be 32"),
        ("--param speed=1", "no build parameter"),
        ("--frames 20 link", "unexpected extra argument"),
        ("rfc2545", "No such command"),
    ],
)
def test_wrong_usage(asked, arguments, complaint):
    result = run(*arguments.split())
    assert result.exit_code == 2
    assert complaint in result.output
    assert not asked


def test_plots_without_matplotlib(asked, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = run("--plots", str(tmp_path))
    assert result.exit_code == 1
    assert "pip install 'opentep[bench]'" in result.output
    assert not asked


def test_plots_that_cannot_be_kept(asked):
    result = run("--plots", "/proc/plots")
    assert result.exit_code == 2
    assert "cannot make '/proc/plots'" in result.output
    assert not asked


def test_a_real_run(tmp_path):
    result = CliRunner().invoke(
        main,
        ["bench", "rfc2544", "--quick", "--size", "64", "--flow", "hairpin", "--json"]
        + ["--plots", str(tmp_path)],
    )
    assert result.exit_code == 0, result.output
    (report,) = json.loads(result.stdout)
    throughput = next(figure for figure in report["results"] if figure["test"] == "throughput")
    assert throughput["share"] == 1.0
    assert (tmp_path / "rfc2544-throughput.svg").exists()


def test_agents_follow(tmp_path: Path) -> None:
    """A real etcd, real agents, and a small fabric."""
    if shutil.which("etcd") is None:
        pytest.skip("Debian's etcd-server is not installed")
    result = run("agents", "--teps", "3", "--look-on", "1", "--plots", str(tmp_path), "--json")
    assert result.exit_code == 0, result.output
    (fleet,) = json.loads(result.stdout)
    assert fleet["vms"] == 60 and fleet["changed"] == 1 and 2 <= fleet["concerned"] <= 3
    assert 0 < fleet["median_seconds"] <= fleet["last_seconds"] and fleet["change_requests"] > 0
    assert (tmp_path / "agents.svg").stat().st_size > 1000


@pytest.mark.parametrize("param", ["members=16", "tenants=8", "macs=16", "access_ports=2"])
def test_load_needs_some_room(param):
    result = run("load", "--param", param)
    assert result.exit_code == 2 and "--param" in result.output


@pytest.mark.long
def test_load():
    """Few VMs and a fast line: that each figure means what it says."""
    sizes = {"tenants": 16, "macs": 64, "lists": 16, "members": 64, "teps": 16, "rules": 16}
    words = [word for name, size in sizes.items() for word in ("--param", f"{name}={size}")]
    result = run("load", *words, "--baud", "3000000", "--json")
    assert result.exit_code == 0, result.output
    loads = {load["what"]: load for load in json.loads(result.stdout)}
    assert loads["load all tables"]["changes"] > 30
    assert loads["read all back"]["changes"] == 0
    one = loads["add a VM"]
    assert one["sent"] < 300 and 0 < one["line_seconds"] < 0.01 and 0 < one["line_use"] < 1
