"""`opentep agent` as a process, at a live virtual board."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import OPENTEP, LiveTep
from .noisy_line import noisy_line

pytestmark = pytest.mark.lab


class Controller:
    def __init__(self, folder: Path, tep: LiveTep):
        self.command = [*OPENTEP, "--store", str(folder / "fabric.db")]
        self.run("import", tep.document)
        self.run("tep", "set", "rack1", "--link", f"{{device: {tep.link}}}")
        self.run("tep", "set", "rack2", "--unset", "link")

    def run(self, *arguments: object, code: int = 0) -> str:
        done = subprocess.run(
            [*self.command, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def agent(self) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            [*self.command, "agent", "--no-vswitches", "--metrics", "0"], stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def held(self, tep: LiveTep) -> set[str]:
        macs = json.loads(tep.run("show", "macs", "--json").stdout)
        return {entry["mac"] for entry in macs}

    def status(self) -> dict:
        done = subprocess.run(
            [*self.command, "status", "--json"], capture_output=True, timeout=60, check=False
        )
        return json.loads(done.stdout)

    def settled(self) -> bool:
        (tep,) = self.status()["teps"]
        return tep.get("revision") == self.status()["revision"] and not tep["error"]


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_changes_reach_the_board_and_a_killed_agent_is_replaced(live_tep: LiveTep, tmp_path: Path) -> None:
    controller = Controller(tmp_path, live_tep)
    assert controller.status()["teps"][0]["error"] == "no agent has spoken of it"
    with controller.agent() as process:
        until(controller.settled)
        controller.run("vm", "add", "web", "--tenant", "red", "--vswitch", "ovs1")
        until(controller.settled)
        os.kill(process.pid, signal.SIGKILL)
    mac = json.loads(controller.run("vm", "show", "web", "--json"))["mac"]
    assert mac in controller.held(live_tep)
    controller.run("vm", "remove", "web")
    assert mac in controller.held(live_tep), "the TEP keeps what it holds"
    with controller.agent() as process:
        until(controller.settled)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "rack1: revision" in log and "Traceback" not in log
        assert log.startswith("metrics: http://127.0.0.1:")
    assert mac not in controller.held(live_tep)
    live_tep.run("apply", "--no-vswitches")


@pytest.mark.parametrize("odds", [1e-4, pytest.param(1e-3, marks=pytest.mark.long)])
def test_an_agent_at_a_line_with_errors(live_tep: LiveTep, tmp_path: Path, odds: float) -> None:
    """Octets damaged, lost and repeated in both directions: in the end the TEP holds exactly what it should."""
    controller = Controller(tmp_path, live_tep)
    with noisy_line(live_tep.link, odds, seed=1) as line:
        controller.run("tep", "set", "rack1", "--link", f"{{device: {line.name_of_client}}}")
        with controller.agent() as process:
            until(controller.settled)
            for number in range(10):
                controller.run("vm", "add", f"web{number}", "--tenant", "red", "--vswitch", "ovs1")
            until(controller.settled)
            for number in range(0, 10, 2):
                controller.run("vm", "remove", f"web{number}")
            while line.wrong < 5:
                until(controller.settled)
                controller.run("vm", "add", f"more{line.octets}", "--tenant", "red", "--vswitch", "ovs1")
            until(controller.settled)
            process.terminate()
            _, log = process.communicate(timeout=60)
            assert "Traceback" not in log
        print(f"\n{line.wrong} of {line.octets} octets went wrong")
    controller.run("tep", "set", "rack1", "--link", f"{{device: {live_tep.link}}}")
    found = json.loads(controller.run("plan", "--no-vswitches", "--json"))
    assert found["changed"] is False
    live_tep.run("apply", "--no-vswitches")
