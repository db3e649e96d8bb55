"""Frames of captures come as traffic of the TEP's own VMs and TEPs, and reach somebody."""

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentep.gateware.params import Params
from opentep.host.cli.main import main
from opentep.sim.fuzz.adversary import Adversary, Shot
from opentep.sim.fuzz.campaign import run_round
from opentep.sim.fuzz.captured import LONGEST, read_captures
from opentep.sim.fuzz.reproducer import Reproducer
from opentep.sim.fuzz.scene import scene_of
from opentep.sim.fuzz.trial import Finding, Kind
from opentep.sim.model import TepModel
from opentep.sim.packets import ethernet, ipv4, tag, udp
from opentep.sim.pcap import Packet, write_capture

PARAMS = Params(access_ports=2)
MARK = b"seen on the wire"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Unicast and broadcast, tagged and not, and one that is too long."""
    packet = ipv4(0x0A000001, 0x0A000002, 17, udp(53, 53, MARK))
    plain = ethernet(0x0123456789AA, 0x0123456789AC, 0x0800, packet)
    frames = [
        plain,
        tag(plain, 9),
        ethernet(0xFFFFFFFFFFFF, 0x0123456789AC, 0x88B5, MARK + bytes(60)),
        plain + bytes(5000),
    ]
    write_capture(tmp_path / "office.pcap", [Packet(0, frame) for frame in frames])
    return tmp_path / "office.pcap"


def shots(seed: int, count: int, captured: tuple[bytes, ...]) -> list[Shot]:
    adversary = Adversary(scene_of(seed, PARAMS).tables, random.Random(seed), captured=captured)
    return [adversary.shot() for _ in range(count)]


def test_captured_frames_are_delivered_on_both_sides(capture: Path) -> None:
    captured = read_captures([capture])
    assert max(map(len, captured)) == LONGEST
    came, left = set(), set()
    for seed in range(5):
        tables = scene_of(seed, PARAMS).tables
        model = TepModel(tables, PARAMS)
        for shot in shots(seed, 500, captured):
            if MARK in shot.frame:
                way = tables.ports[shot.port].role
                came.add(way)
                left |= {
                    (way, tables.ports[port].role)
                    for port, _ in model.receive(shot.port, shot.frame, error=shot.error)
                }
    assert came == {"access", "fabric"}
    assert left >= {("access", "access"), ("access", "fabric"), ("fabric", "access")}


def test_a_seed_and_captures_make_the_same_shots_again(capture: Path) -> None:
    captured = read_captures([capture, capture])
    assert shots(1, 300, captured) == shots(1, 300, captured)
    assert not any(MARK in shot.frame for shot in shots(1, 300, ()))


def test_a_reproducer_does_without_the_captures(
    capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(self, port, frame, time=0, error=False):  # type: ignore[no-untyped-def]
        return [] if MARK in frame else right(self, port, frame, time, error)

    right = TepModel.receive
    monkeypatch.setattr(TepModel, "receive", forgetful)
    found = run_round(Params(), 1000, 1, read_captures([capture]))
    assert found.finding is not None and found.finding.kind in {Kind.LEAK, Kind.DIFFERENCE}
    file = tmp_path / "found.json"
    Reproducer("x", Params(), 1, found.finding, found.suspects).save(file)
    capture.unlink()
    result = CliRunner().invoke(main, ["fuzz", "--reproduce", str(file), "--json"])
    assert result.exit_code == 1, result.output
    finding = json.loads(result.stdout)["finding"]
    assert Finding(Kind(finding["kind"]), finding["detail"]) == found.finding


def test_command(capture: Path, tmp_path: Path) -> None:
    plain = [f"-p{name}=0" for name in ("counted_tenants", "storm_tenants", "known_addresses")]
    arguments = ["fuzz", *plain, "-n", "300", "-j", "1", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*arguments, "--capture", str(capture), "--capture", str(capture)])
    assert result.exit_code == 0 and "300 frames sent" in result.stdout, result.output
    for octets, problem in (
        (b"", "the file is empty"),
        (b"no capture", "neither a pcap nor a pcapng file"),
        (capture.read_bytes()[:-1], "the file is truncated"),
        (capture.read_bytes()[:24], "the capture has no frames"),
    ):
        bad = tmp_path / "bad.pcap"
        bad.write_bytes(octets)
        result = CliRunner().invoke(main, [*arguments, "--capture", str(capture), "--capture", str(bad)])
        assert result.exit_code == 1 and f"{bad}: {problem}" in result.output, result.output
    result = CliRunner().invoke(main, [*arguments, "--capture", str(tmp_path / "none.pcap")])
    assert result.exit_code == 2 and "does not exist" in result.output
    result = CliRunner().invoke(main, ["fuzz", "--reproduce", str(capture), "--capture", str(capture)])
    assert result.exit_code == 2 and "leave out --capture" in result.output
