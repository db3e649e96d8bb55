"""`opentep inject`: what it refuses and what it hands to a TEP's registers, and once through a live virtual board."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from opentep.gateware.params import Params
from opentep.host.cli import main
from opentep.host.driver import Driver
from opentep.host.link.protocol import Write
from opentep.host.registers import RegisterAccess
from opentep.sim.packets import ethernet
from opentep.sim.pcap import Packet, write_capture

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two-racks.yaml"
SERVER, UPLINK = 0, 1
SHORT, LONGEST = bytes(range(60)), bytes(512)


class Sender:
    """A TEP's registers; each injected frame is done at once, unless the TEP is ``stuck``."""

    def __init__(self, device):
        self.registers = RegisterAccess(device)
        self.sent: list[tuple[int, bytes]] = []
        self.stuck = False
        self._device = device
        device.after = self._after

    def _after(self, request: Write) -> None:
        command = self.registers.read("inject.command")
        if self.stuck or command["number"] == self.registers.read("inject.done"):
            return
        params = self.registers.params
        rows = range(params.ring_rows, params.mailbox_rows)
        octets = b"".join(
            word.to_bytes(params.word_bytes, "little")
            for word in self.registers.table("mailbox").read_many(list(rows))
        )
        self.sent.append((command["port"], octets[: command["length"]]))
        self._device.words[self._device.memory_map["inject.done"].start] = command["number"]


@pytest.fixture
def sender(memory_device, monkeypatch: pytest.MonkeyPatch) -> Sender:
    sender = Sender(memory_device(Params()))

    @contextmanager
    def connect(name: str, baud: int | None = None) -> Iterator[Driver]:
        yield Driver(sender.registers, drain_seconds=0)

    monkeypatch.setattr("opentep.host.cli.target.open_driver", connect)
    return sender


def run(*arguments: object, text: str = "") -> Result:
    words = ["inject", "-f", EXAMPLE, "-t", "rack1", "-l", "/dev/none", *arguments]
    return CliRunner().invoke(main, [str(word) for word in words], input=text)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    file = tmp_path / "x.pcap"
    write_capture(file, [Packet(0, SHORT), Packet(10**12, LONGEST)])
    return file


def test_frames_of_captures_in_their_order(sender, capture, tmp_path) -> None:
    other = tmp_path / "y.pcap"
    write_capture(other, [Packet(0, SHORT[::-1])])
    result = run("uplink", capture, other)
    assert result.exit_code == 0, result.output
    assert sender.sent == [(UPLINK, SHORT), (UPLINK, LONGEST), (UPLINK, SHORT[::-1])]
    assert result.output == "3 frames with 632 octets sent out of uplink\n"


def test_again_and_again_with_pauses(sender, capture, monkeypatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("opentep.host.cli.inject.time.sleep", pauses.append)
    result = run("1", capture, "--repeat", 3, "--interval", 100, "--json")
    assert json.loads(result.output) == {"port": "uplink", "frames": 6, "octets": 3 * (60 + 512)}
    assert sender.sent == [(UPLINK, SHORT), (UPLINK, LONGEST)] * 3
    assert pauses[0] == 0 and all(pause > 90 for pause in pauses[1:])


def test_text(sender) -> None:
    text = (
        "# an ARP request\n\n ff:ff:ff:ff:ff:ff 12-00-01-00-00-01 0806 0001 # and so on\n" + "00" * 20 + "\n"
    )
    result = run("server", "--hex", "-", text=text)
    assert result.exit_code == 0, result.output
    assert sender.sent == [(SERVER, bytes.fromhex("ffffffffffff12000100000108060001")), (SERVER, bytes(20))]


@pytest.mark.parametrize("text", ["0", "12 xx", "0x12"])
def test_text_that_is_no_frame(sender, text) -> None:
    result = run("server", "--hex", "-", text=f"{SHORT.hex()}\n{text}\n")
    assert result.exit_code == 1 and sender.sent == []
    assert "-: line 2 is no frame" in result.output and "hexadecimal" in result.output


def test_a_frame_that_is_too_long_is_named_before_any_is_sent(sender, tmp_path) -> None:
    file = tmp_path / "long.pcap"
    write_capture(file, [Packet(0, SHORT), Packet(0, bytes(513))])
    result = run("server", file)
    assert result.exit_code == 1 and sender.sent == []
    assert f"{file}: packet 2 has 513 octets, but the TEP takes 1 to 512" in result.output


def test_a_port_that_takes_nothing(sender, capture, monkeypatch) -> None:
    monkeypatch.setattr("opentep.host.inject._PATIENCE", 0.01)
    sender.stuck = True
    result = run("server", capture)
    assert result.exit_code == 1
    assert f"{capture}: packet 1: the port takes no frames" in result.output
    assert "0 of 2" in result.output
    assert "the port of the frame before takes no frames" in run("server", capture).output


def test_what_is_wrong_is_said(sender, capture, tmp_path) -> None:
    empty, other = tmp_path / "empty.txt", tmp_path / "x.txt"
    empty.write_text("# nothing\n")
    other.write_text("no capture")
    for exit_code, message, arguments in [
        (2, "no port 'servr'; ports are: server, uplink", ("servr", capture)),
        (2, "'-' is for --hex", ("server", "-")),
        (2, "does not exist", ("server", tmp_path / "missing.pcap")),
        (1, f"there is no frame in {empty}", ("server", "--hex", empty)),
        (1, f"{other}: neither a pcap nor a pcapng file", ("server", other)),
    ]:
        result = run(*arguments)
        assert result.exit_code == exit_code and message in result.output, result.output
    assert sender.sent == []


def test_a_live_tep_sends_it(live_tep, tmp_path) -> None:
    frame = ethernet(0xFFFFFFFFFFFF, 0x120001000001, 0x88B5, b"from the host".ljust(86, b"."))
    write_capture(tmp_path / "x.pcap", [Packet(0, frame)])
    result = live_tep.run("inject", "server", tmp_path / "x.pcap")
    assert result.stdout == b"1 frames with 100 octets sent out of server\n" and result.stderr == b""
    while live_tep.sockets["server"].recv(2000) != frame:
        pass  # what others have left there
