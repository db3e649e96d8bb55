"""The lab as a user starts it: all checks pass, and nothing of it is left, however it ends."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentep.gateware.params import Params
from opentep.host.cli import main
from opentep.sim.cache import locked
from opentep.sim.lab.demo import _keep
from opentep.sim.lab.shell import LabError
from opentep.sim.lab.state import Lab
from opentep.sim.lab.topology import CORE
from opentep.sim.verilate import board_library

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab makes network namespaces and needs root"),
]

START_SECONDS = 120.0
GONE_SECONDS = 15.0
CALLER = (1234, 1234)
"""User and group of one who calls through sudo."""


@pytest.fixture(scope="module", autouse=True)
def board() -> None:
    """The virtual board is built before any clock starts to run."""
    board_library(Params(**CORE))


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab of its own for each test; what a failed test leaves is taken down.

    One at a time, whatever the number of workers: a lab needs two cores to keep up with its own traffic.
    """
    with locked(Path(tempfile.gettempdir()) / "opentep-test-lab.lock"):
        lab = Lab(f"{request.param}{os.getpid()}")
        yield lab
        lab.destroy()


def demo(lab: Lab, captures: Path) -> list[str]:
    options = ["--name", lab.name, "--captures", str(captures), "--json"]
    return [sys.executable, "-m", "opentep.host.cli", "lab", "demo", *options]


def processes_of(lab: Lab) -> list[str]:
    """Command lines of all processes that know the lab's folder, or live in one of its namespaces."""
    marks = (f"{lab.folder}/", f"@{lab.name}-", f"netns exec {lab.name}-")
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has just ended
            continue
        if any(mark in line for mark in marks):
            found.append(line)
    return found


def remains(lab: Lab) -> dict[str, list[str]]:
    return {
        kind: found
        for kind, found in {
            "folders": [str(lab.folder)] if lab.folder.exists() else [],
            "hosts": lab.hosts(),
            "processes": processes_of(lab),
        }.items()
        if found
    }


def assert_gone(lab: Lab) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while remains(lab) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert remains(lab) == {}


@pytest.mark.parametrize("lab", ["two"], indirect=True)
def test_a_second_one_of_that_name_leaves_the_first_alone(lab: Lab) -> None:
    lab.create()
    other = Lab(lab.name)
    assert other.in_use, "somebody is making it"
    with pytest.raises(
        LabError, match=f"lab '{lab.name}' is up, or was left behind; remedy: opentep lab down"
    ):
        other.create()
    for command in ("up", "demo"):
        result = CliRunner().invoke(main, ["lab", command, "--name", lab.name])
        assert result.exit_code == 1 and f"lab '{lab.name}' is up" in result.output
    assert lab.captures.exists()
    os.close(lab._claim)  # as when its maker has been killed
    assert other.exists and not other.in_use
    other.destroy()
    assert remains(lab) == {}


@pytest.mark.parametrize("lab", ["foreign"], indirect=True)
def test_namespaces_that_no_lab_made(lab: Lab) -> None:
    foreign = lab.host("router")
    foreign.create()
    try:
        with pytest.raises(LabError, match=f"network namespaces {foreign.name}, which no lab has made"):
            lab.create()
        lab.destroy()
        assert lab.hosts() == ["router"] and not lab.exists
    finally:
        foreign.delete()


@pytest.mark.parametrize("lab", ["inside"], indirect=True)
def test_what_runs_in_its_namespaces_ends_with_it(lab: Lab) -> None:
    lab.create()
    lab.host("red1").create()
    sleeper = subprocess.Popen(lab.host("red1").wrap(["sleep", "600"]))
    kept, stopped = (lab.start(name, ["sleep", "600"]) for name in ("kept", "stopped"))
    deadline = time.monotonic() + 10
    while lab.host("red1").run("pgrep", "sleep", check=False).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    lab.stop(stopped)
    assert not stopped.alive and lab.processes() == [kept]
    lab.require_alive()
    lab.destroy()
    assert sleeper.wait(10) == -signal.SIGKILL and not kept.alive
    assert remains(lab) == {}


def test_what_lies_beside_captures_stays_whose_it_is(tmp_path: Path) -> None:
    made, place = tmp_path / "made", tmp_path / "of-somebody"
    (made / "rack1").mkdir(parents=True)
    (made / "rack1" / "server.pcap").touch()
    place.mkdir()
    os.chown(place, *CALLER)
    (place / "of-another").touch()
    _keep(made, {}, place)
    owners = {path.name: path.stat().st_uid for path in place.rglob("*")}
    assert owners.pop("of-another") == os.getuid()
    assert owners == dict.fromkeys(("rack1", "server.pcap", "counters.json"), CALLER[0])


@pytest.mark.parametrize("lab", ["test"], indirect=True)
def test_demo(lab: Lab, tmp_path: Path) -> None:
    place = tmp_path / "of-somebody"
    place.mkdir()
    os.chown(place, *CALLER)
    captures = place / "build" / "demo"
    result = subprocess.run(demo(lab, captures), capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1), result.stderr
    outcomes = json.loads(result.stdout)
    assert outcomes
    assert [outcome for outcome in outcomes if not outcome["passed"]] == []
    assert result.returncode == 0
    for tep in ("rack1", "rack2"):
        assert list((captures / tep).glob("*.pcap")), tep
    assert json.loads((captures / "counters.json").read_text())
    owners = {
        (path.stat().st_uid, path.stat().st_gid) for path in (captures.parent, *captures.parent.rglob("*"))
    }
    assert owners == {CALLER}
    assert_gone(lab)


@pytest.mark.parametrize(
    "lab, number",
    [
        pytest.param("kill", signal.SIGKILL, id="killed"),
        pytest.param("ctrlc", signal.SIGINT, id="ctrl-c"),
        pytest.param("term", signal.SIGTERM, id="terminated"),
    ],
    indirect=["lab"],
)
def test_nothing_is_left(lab: Lab, number: signal.Signals, tmp_path: Path) -> None:
    with (tmp_path / "output").open("w") as output:
        # A process group of its own: Ctrl-C reaches the whole group, as from a terminal.
        process = subprocess.Popen(
            demo(lab, tmp_path),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            # Boards, switches and hosts are there; VMs are about to be plugged in.
            while not list(lab.folder.glob("*.tty")):
                assert process.poll() is None, (tmp_path / "output").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert lab.hosts() and processes_of(lab)
            if number == signal.SIGINT:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            process.wait(timeout=GONE_SECONDS)
        finally:
            process.kill()
            process.wait()
    assert process.returncode != 0
    assert_gone(lab)
