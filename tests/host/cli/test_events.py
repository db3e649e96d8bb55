"""`opentep events` on a live TEP whose red tenant learns."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import pytest
from opentep.host.connect import open_driver
from opentep.sim.packets import ethernet, tag, tunnel

RED1 = 0x120001000001
UPLINK_MAC, ROUTER = 0x02005E010001, 0x02005EFF01FE
_fresh = count(0x120001800000)


def address(number: int) -> int:
    """fd00:NUMBER::1."""
    return 0xFD00 << 112 | number << 96 | 1


class Learner:
    """Sends what the TEP learns from."""

    def __init__(self, live_tep):
        self.tep = live_tep

    def say(self, mac: int, vlan: int) -> None:
        frame = tag(ethernet(RED1, mac, 0x88B5, bytes(46)), vlan)
        self.tep.sockets["server"].send(frame)

    def say_from_rack2(self, mac: int) -> None:
        inner = ethernet(RED1, mac, 0x88B5, bytes(46))
        frame = tunnel(UPLINK_MAC, ROUTER, address(2), address(1), inner)
        self.tep.sockets["uplink"].send(frame)


@pytest.fixture(scope="module")
def learner(live_tep) -> Iterator[Learner]:
    before = live_tep.document.read_text()
    live_tep.document.write_text(
        before.replace("{oui: 12:00:01}", "{oui: 12:00:01, source: learn, remote: learn}")
    )
    live_tep.run("apply", "--no-vswitches")
    yield Learner(live_tep)
    live_tep.document.write_text(before)
    live_tep.run("apply", "--no-vswitches")


class Listening:
    """`opentep events` in the background, which listens already."""

    def __init__(self, live_tep, *options: object):
        self.tep = live_tep
        self.process = subprocess.Popen(
            live_tep.command("events", *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Listening":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def hear(self, say) -> str:  # type: ignore[no-untyped-def]
        """``say`` something new, again and again until it listens, and give the first line."""
        heard = threading.Event()

        def repeat() -> None:
            while not heard.wait(0.3):
                say()

        thread = threading.Thread(target=repeat)
        thread.start()
        try:
            return self.line()
        finally:
            heard.set()
            thread.join()

    def end(self, number: int = signal.SIGINT) -> str:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors
        return errors


def test_json_has_names_places_and_time(learner) -> None:
    before = datetime.now(UTC).timestamp()
    with Listening(learner.tep, "--json") as listening:
        first = json.loads(listening.hear(lambda: learner.say(next(_fresh), 301)))
        mac = next(_fresh)
        seen = [first]

        def hear(wanted: str) -> dict:
            while (seen[-1]["mac"], seen[-1]["event"]) != (text, wanted):
                seen.append(json.loads(listening.line()))
            return seen[-1]

        text = ":".join(f"{octet:02x}" for octet in mac.to_bytes(6, "big"))
        learner.say(mac, 302)
        learned = hear("learned")
        assert learned | {"time": ""} == {
            "time": "",
            "event": "learned",
            "tenant": "red",
            "tenant_index": learned["tenant_index"],
            "mac": text,
            "place": "server VLAN 302",
            "port": 0,
            "vlan": 302,
        }
        learner.say_from_rack2(mac)
        moved = hear("moved")
        assert (moved["place"], moved["tenant"]) == ("behind rack2", "red") and "tep" in moved
        errors = listening.end()
    assert f"{len(seen)} events, 0 lost" in errors
    times = [datetime.fromisoformat(item["time"]).timestamp() for item in seen]
    assert times == sorted(times)
    assert before - 10 < times[0] and times[-1] < datetime.now(UTC).timestamp() + 1


def test_lines_for_people_and_only_one_kind(learner) -> None:
    mac = next(_fresh)
    vlans = count(400)
    with Listening(learner.tep, "--kind", "moved", "--count", 2) as listening:
        line = listening.hear(lambda: learner.say(mac, next(vlans)))
        time_, kind, address_, tenant, port, vlan, number = line.split()
        assert (kind, tenant, port, vlan) == ("moved", "red", "server", "VLAN")
        assert address_.endswith(f"{mac & 0xFF:02x}") and int(number) >= 400 and len(time_) == 12
        listening.hear(lambda: learner.say(mac, next(vlans)))
        _, errors = listening.process.communicate(timeout=60)
    assert errors.startswith("2 events, ")


def test_it_ends_in_time_and_leaves_nothing_behind(learner) -> None:
    begin = time.monotonic()
    result = learner.tep.run("events", "--duration", 0.5)
    assert time.monotonic() - begin < 60
    assert result.stdout == b"" and result.stderr == b"0 events, 0 lost on the way to the host\n"
    with open_driver(str(learner.tep.link)) as driver:
        assert driver.registers.read("punt.changes") == 0


@pytest.mark.parametrize("busy", [True, False])
def test_a_reader_that_goes_away_ends_it(learner, busy) -> None:
    with Listening(learner.tep, "--json") as listening:
        listening.hear(lambda: learner.say(next(_fresh), 301))
        process = listening.process
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        if busy:
            learner.say(next(_fresh), 301)
        errors = process.stderr.read()
        assert process.wait(60) == 0
        process.stdout = None
    assert "events, " in errors and "Traceback" not in errors and "Broken" not in errors


def test_a_capture_coexists(learner) -> None:
    """A capture of all, while addresses are learned, has only frames in it."""
    with subprocess.Popen(
        learner.tep.command("capture", "-r", "all", "-c", "5"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while process.poll() is None:
            learner.say(next(_fresh), 301)
            time.sleep(0.1)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and errors.startswith(b"5 frames captured")
