"""The live board: network interfaces, pty, signals. Runs the stand-in design in a process of its own."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import serial
from click.testing import CliRunner
from opentep.gateware.params import Params
from opentep.host.cli import main
from opentep.sim.interfaces import Attachment, InterfaceError, network_namespace
from opentep.sim.live import BoardConfig, PortConfig, run_board
from scapy.utils import RawPcapReader

SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 1 << 4
"""Of <linux/if_packet.h>."""

BOARD = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("standin", sys.argv[1])
sys.modules["standin"] = standin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(standin)
from opentep.gateware.params import Params
from opentep.sim.interfaces import Attachment
from opentep.sim.live import BoardConfig, PortConfig, run_board
ports = tuple(PortConfig(f"p{i}", Attachment.parse(text)) for i, text in enumerate(sys.argv[3:5]))
folder = Path(sys.argv[2])
config = BoardConfig(Params(), ports, folder / "link", capture=folder / "capture", design=standin.CrossConnect)
print(run_board(config, ready=lambda: print("ready", flush=True)))
"""


@contextmanager
def live_board(folder, *attachments):
    """A board in another process, ended by SIGTERM."""
    conftest = Path(__file__).with_name("conftest.py")
    command = [sys.executable, "-c", BOARD, str(conftest), str(folder), *attachments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.terminate()
            process.wait(10)


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def racks(new_namespace):
    """Two network namespaces, each with a veth pair: `vm` for the test, `wire` for the board."""
    names = [f"opentep-test-{os.getpid()}-{i}" for i in range(2)]
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(new_namespace(name))
            ip(
                "-n",
                name,
                "link",
                "add",
                "vm",
                "mtu",
                "1600",
                "type",
                "veth",
                "peer",
                "name",
                "wire",
                "mtu",
                "1600",
            )
            ip("-n", name, "link", "set", "vm", "up")
        yield names


@pytest.fixture
def board(racks, tmp_path):
    with live_board(tmp_path, *(f"dev:wire@{name}" for name in racks)) as process:
        yield process


@contextmanager
def raw_socket(namespace):
    with network_namespace(namespace):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        with raw:
            raw.bind(("vm", 3))
            raw.settimeout(5)
            raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
            raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            yield raw


def tagged(payload, vid=5):
    return bytes.fromhex("020000000002020000000001") + struct.pack("!HHH", 0x8100, vid, 0x88B5) + payload


def received(raw, count):
    """The next ``count`` frames that came to ``raw``, with the tag that the kernel takes off."""
    found = []
    while len(found) < count:
        octets, notes, _, address = raw.recvmsg(4096, 64)
        if address[2] == socket.PACKET_OUTGOING:
            continue
        for level, kind, data in notes:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                status, _, _, _, _, tag_control, tag_type = struct.unpack("=IIIHHHH", data)
                if status & TP_STATUS_VLAN_VALID:
                    octets = octets[:12] + struct.pack("!HH", tag_type, tag_control) + octets[12:]
        found.append(octets)
    return found


def captured(path, wanted):
    with RawPcapReader(str(path)) as reader:
        return [frame for frame, _ in reader if wanted in frame]


def test_frames_keep_their_tags_and_every_octet(board, racks, tmp_path):
    frames = [tagged(f"live board {i} ".encode() * (1 + i), 1 + i) for i in range(80)]
    expected = [frame.ljust(60, b"\0") for frame in frames]
    with raw_socket(racks[0]) as a, raw_socket(racks[1]) as b:
        for frame in frames:
            a.send(frame)
        b.send(tagged(b"live board back"))
        assert received(b, 80) == expected
        assert received(a, 1) == [tagged(b"live board back").ljust(60, b"\0")]
    board.send_signal(signal.SIGINT)
    board.wait(10)
    for port in (0, 1):
        frames = captured(tmp_path / "capture" / f"p{port}.pcap", b"live board")
        assert [frame for frame in frames if b"back" not in frame] == expected
        assert tagged(b"live board back").ljust(60, b"\0") in frames
    assert "not_sent=0" in board.stdout.read()


def test_kernels_talk_through_the_board(board, racks):
    """TCP with checksums that the sending kernel leaves to the wire."""
    for i, name in enumerate(racks):
        ip("-n", name, "address", "replace", f"10.9.8.{i + 1}/24", "dev", "vm")
        if shutil.which("ethtool"):
            ip(
                "netns",
                "exec",
                name,
                "ethtool",
                "-K",
                "vm",
                "tx",
                "on",
                "tso",
                "off",
                "gso",
                "off",
                "gro",
                "off",
            )
    data = os.urandom(300_000)
    with network_namespace(racks[1]):
        server = socket.create_server(("10.9.8.2", 0))
    with network_namespace(racks[0]):
        client = socket.socket()
    with server, client:
        client.settimeout(20)
        server.settimeout(20)
        client.connect(server.getsockname())
        connection, _ = server.accept()
        with connection:
            connection.settimeout(20)
            received = b""
            sent = 0
            while len(received) < len(data):
                if sent < len(data):
                    sent += client.send(data[sent : sent + 10_000])
                received += connection.recv(65536)
    assert received == data


def test_link_is_a_serial_port_that_survives_its_clients(board, tmp_path):
    for _ in range(3):
        with serial.Serial(str(tmp_path / "link"), 115200, timeout=5) as port:
            port.write(bytes(range(255)))
            expected = bytes(range(1, 256))
            answer = port.read(255).replace(b"\xa5", b"")  # the stand-in sends A5 once per second
            assert answer in expected.replace(b"\xa5", b"")
            assert len(answer) > 250
    board.terminate()
    board.wait(10)
    assert board.returncode == 0
    assert not (tmp_path / "link").exists()


def test_an_idle_board_sleeps(board, racks):
    def cpu_seconds():
        fields = Path(f"/proc/{board.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    time.sleep(1)
    before = cpu_seconds()
    time.sleep(2)
    assert cpu_seconds() - before <= 0.04


def test_tap_devices_come_and_go_with_the_board(racks, tmp_path):
    with live_board(tmp_path, f"tap:opentep0@{racks[0]}", "none"):
        ip("-n", racks[0], "link", "show", "opentep0")
    with pytest.raises(subprocess.CalledProcessError):
        ip("-n", racks[0], "link", "show", "opentep0")


def test_vanished_tap_ends_the_board(racks, tmp_path):
    with live_board(tmp_path, f"tap:opentep0@{racks[0]}", "none") as process:
        ip("-n", racks[0], "link", "del", "opentep0")
        assert process.wait(10) == 1
    assert not (tmp_path / "link").exists()


def test_what_cannot_be_attached_is_named(racks, cross_connect):
    def run(*attachments):
        ports = tuple(PortConfig(f"p{i}", Attachment.parse(text)) for i, text in enumerate(attachments))
        run_board(BoardConfig(Params(), ports, design=cross_connect))

    with pytest.raises(InterfaceError, match="network namespace nowhere: No such file"):
        run("dev:wire@nowhere", "none")
    with pytest.raises(InterfaceError, match="interface absent: "):
        run(f"dev:absent@{racks[0]}", "none")


def test_a_link_needs_a_folder(cross_connect, tmp_path):
    ports = tuple(PortConfig(name, Attachment("none")) for name in "ab")
    with pytest.raises(InterfaceError, match="nowhere, where the link shall appear, is no folder"):
        run_board(BoardConfig(Params(), ports, tmp_path / "nowhere" / "tty", design=cross_connect))


def test_configuration_is_checked():
    port = PortConfig("a", Attachment("none"))
    with pytest.raises(ValueError, match="the core has 2 ports, 1 are configured"):
        BoardConfig(Params(), (port,))
    with pytest.raises(ValueError, match="port names must differ: a, a"):
        BoardConfig(Params(), (port, port))
    with pytest.raises(ValueError, match="kind must be tap, dev or none, not 'eth'"):
        Attachment.parse("eth:x")
    assert str(Attachment.parse("dev:x@y")) == "dev:x@y"


def test_command_line_explains_itself():
    def run(*arguments):
        return CliRunner().invoke(main, ["board", *arguments])

    assert "live virtual board" in run("--help").output
    assert "the core has 2 ports" in run("--port", "a=none").output
    assert "'a' is not NAME=KIND:IFACE[@NETNS]" in run("--port", "a").output
    assert "kind must be tap, dev or none" in run("--port", "a=eth:x").output
    result = run("--port", "a=none", "--port", "b=none", "--param", "width=33")
    assert "width must be 32" in result.output
