"""`opentep capture` on a live virtual board, read by the tools that people read captures with."""

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentep.gateware.hostport.format import Reason
from opentep.host.cli import main
from opentep.host.connect import open_driver
from opentep.host.punt import Punts, Selection
from opentep.sim.packets import encapsulated, ethernet, ipv6

from .conftest import OPENTEP

LLDP = 0x0180C200000E
NOBODY = 0x1200010000FE
BLUE1 = 0x120002000001
UPLINK_MAC, ROUTER = 0x02005E010001, 0x02005EFF01FE
FIELDS = ("frame.interface_name", "frame.cap_len", "frame.len", "frame.comment")


@contextmanager
def traffic(tep, frames: dict[str, list[bytes]]) -> Iterator[None]:
    """Frames into ports, again and again, until the block ends.

    In a new order each time: a board that is slower than the sender, as a simulated one may be, has room for the
    first few of a round only.
    """
    done = threading.Event()
    each = [(port, frame) for port, these in frames.items() for frame in these]
    order = random.Random(1)

    def send() -> None:
        while not done.wait(0.1):
            for port, frame in order.sample(each, len(each)):
                tep.sockets[port].send(frame)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def dissect(capture: bytes | Path) -> list[list[str]]:
    """The fields of every frame by tshark, which is not silent about a damaged file."""
    arguments = [word for field in FIELDS for word in ("-e", field)]
    source = {"input": capture} if isinstance(capture, bytes) else {}
    name = "-" if isinstance(capture, bytes) else str(capture)
    result = subprocess.run(
        ["tshark", "-r", name, "-T", "fields", *arguments], check=True, capture_output=True, **source
    )
    assert b"cut short" not in result.stderr and b"damaged" not in result.stderr
    return [line.split("\t") for line in result.stdout.decode().splitlines()]


@pytest.fixture
def mixed(live_tep) -> dict[str, list[bytes]]:
    """One frame of each: link-local, unknown, of a tenant that is not to be reached, forwarded, and from the underlay
    for nobody and of a tunnel that nobody knows."""
    vm = live_tep.vm_frame
    tables_address, stranger = 0xFD00_0001 << 96 | 1, 0xFD00_00FF << 96 | 1
    inner = ethernet(0x120001000001, 0x120001000099, 0x88B5, bytes(46))
    tunnel = ipv6(stranger, tables_address, 143, encapsulated(143, inner))
    return {
        "server": [
            vm("red1", LLDP, b"lldp"),
            vm("red1", NOBODY, bytes(200)),
            vm("red1", BLUE1, b"to blue"),
            vm("red1", 0x120001000002, b"to red2"),
        ],
        "uplink": [
            ethernet(0x020000000099, ROUTER, 0x88B5, bytes(46)),
            ethernet(UPLINK_MAC, ROUTER, 0x86DD, tunnel),
        ],
    }


EVERY_DROP = {
    ("server", "dropped: link-local, in on server, tenant red"),
    ("server", "dropped: unknown-unicast, in on server, tenant red"),
    ("server", "dropped: policy, in on server, tenant red"),
    ("uplink", "dropped: not-mine, in on uplink"),
    ("uplink", "dropped: unknown-tep, in on uplink, tenant red"),
}


def test_drops_with_the_verdict_as_comment(live_tep, mixed) -> None:
    """Until every kind was seen: a capture is a sample; of frames that come all at once the ring has room for ten, and
    these may all be of one port."""
    seen: set[tuple[str, str]] = set()
    sizes: set[tuple[str, str]] = set()
    with traffic(live_tep, mixed):
        for port in 20 * ((), ("-p", "uplink")):
            result = live_tep.run("capture", "--count", 20, *port)
            frames = dissect(result.stdout)
            assert len(frames) == 20
            assert b"20 frames captured, " in result.stderr
            seen |= {(interface, comment) for interface, _, _, comment in frames}
            sizes |= {(captured, length) for _, captured, length, _ in frames}
            assert seen <= EVERY_DROP
            if seen == EVERY_DROP:
                break
    assert seen == EVERY_DROP
    assert ("128", "218") in sizes


def test_reasons_ports_samples_and_snap(live_tep, mixed) -> None:
    with traffic(live_tep, mixed):
        chosen = ("-r", "forwarded", "-r", "policy", "-p", "server", "-n", 3, "-s", 20, "-c", 4)
        frames = dissect(live_tep.run("capture", *chosen).stdout)
        assert {frame[3].partition(",")[0] for frame in frames} <= {"forwarded", "dropped: policy"}
        assert {(frame[0], frame[1]) for frame in frames} == {("server", "20")}
        only = dissect(live_tep.run("capture", "-r", "all", "-p", "1", "-c", 4).stdout)
        assert {frame[0] for frame in only} == {"uplink"}


def test_what_is_chosen_is_what_the_tep_is_told(live_tep, monkeypatch, tmp_path) -> None:
    told: list[Selection] = []

    def select(punts: Punts, selection: Selection) -> None:
        told.append(selection)

    monkeypatch.setattr(Punts, "select", select)
    arguments = live_tep.command("capture", "-w", tmp_path / "x.pcapng", "--duration", 0)[len(OPENTEP) :]
    chosen = ["-r", "forwarded", "-r", "policy", "-p", "server", "-n", "3", "-s", "20"]
    result = CliRunner().invoke(main, [*arguments, *chosen])
    assert result.exit_code == 0, result.output
    reasons = frozenset({Reason.FORWARDED, *(reason for reason in Reason if reason.label == "policy")})
    assert told == [Selection(sampled=reasons, ports=frozenset({0}), interval=3, snap=20), Selection()]


def test_it_ends_in_time_with_a_file(live_tep, tmp_path) -> None:
    begin = time.monotonic()
    result = live_tep.run("capture", "--duration", 0.5, "--write", tmp_path / "x.pcapng")
    assert time.monotonic() - begin < 60
    assert result.stdout == b"" and result.stderr == b"0 frames captured, 0 lost on the way to the host\n"
    assert dissect(tmp_path / "x.pcapng") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_whole_blocks(live_tep, mixed, tmp_path, number) -> None:
    file = tmp_path / "x.pcapng"
    with traffic(live_tep, mixed):
        with subprocess.Popen(live_tep.command("capture", "-w", file), stderr=subprocess.PIPE) as process:
            deadline = time.monotonic() + 60
            while (not file.exists() or file.stat().st_size < 2000) and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(dissect(file)) == int(errors.split()[0]) > 0
    live_tep.run("show", "id")  # the link is free again


@pytest.mark.parametrize("busy", [True, False])
def test_a_reader_that_goes_away_ends_it(live_tep, mixed, busy) -> None:
    """As when Wireshark is closed, even if no frame comes."""
    with traffic(live_tep, mixed if busy else {}):
        with subprocess.Popen(
            live_tep.command("capture"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            assert process.stdout.read(4) == bytes.fromhex("0a0d0d0a")
            process.stdout.close()
            errors = process.stderr.read()
            assert process.wait(60) == 0
    assert b"frames captured" in errors
    assert b"Traceback" not in errors and b"Broken" not in errors


def test_it_leaves_nothing_behind(live_tep, mixed) -> None:
    live_tep.run("capture", "-c", 1, "-d", 0)
    with open_driver(str(live_tep.link)) as driver:
        assert driver.registers.read("punt.sampled") == driver.registers.read("punt.always") == 0


def test_captures_are_not_for_terminals(live_tep) -> None:
    master, terminal = os.openpty()
    try:
        result = subprocess.run(
            live_tep.command("capture"), stdout=terminal, stderr=subprocess.PIPE, check=False, timeout=60
        )
    finally:
        os.close(master)
        os.close(terminal)
    assert result.returncode == 2 and b"wireshark -k -i -" in result.stderr


def test_an_unknown_port_is_named(live_tep) -> None:
    result = subprocess.run(
        live_tep.command("capture", "-p", "servr", "-w", "/dev/null"),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 2
    assert b"no port 'servr'; ports are: server, uplink" in result.stderr


@pytest.mark.parametrize("to_file", [True, False])
def test_a_full_disk_is_told_with_its_file(live_tep, to_file) -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            live_tep.command("capture", *(("-w", "/dev/full") if to_file else ())),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    where = b"/dev/full" if to_file else b"standard output"
    assert result.returncode == 1
    assert result.stderr == b"opentep: " + where + b": No space left on device\n"
