"""Replay over the golden model."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from opentep.host.tables import Local, MacTableEntry, Remote, RemoteTep, ReplicaList, TepTables, Way
from opentep.sim.pcap import CaptureError, Packet, read_capture, write_capture
from opentep.sim.replay import ReplayError, replay

RED1, RED2, RED3, RED_FAR = "a20001000001", "a20001000002", "a20001000003", "a20101000004"
EPOCH = 1_790_000_000_000_000_000


def frame(dst: str, src: str, vid: int, size: int = 60) -> bytes:
    return bytes.fromhex(f"{dst}{src}8100{vid:04x}0806").ljust(size, b"\0")


def capture(path: Path, *packets: tuple[int, bytes]) -> Path:
    write_capture(path, [Packet(time, octets) for time, octets in packets])
    return path


def test_frames_counters_and_times(tables: TepTables, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    steps: list[tuple[int, int]] = []
    result = replay(
        tables,
        {
            "server0": capture(
                tmp_path / "a.pcap",
                (EPOCH, frame(RED2, RED1, 10)),
                # Too early: the wire is busy until 672 ns.
                (EPOCH + 1, frame("ffffffffffff", RED1, 10)),
                (EPOCH + 5_000, frame(RED2, RED1, 99)),
            ),
            "server1": capture(tmp_path / "b.pcap", (EPOCH + 500, frame(RED1, RED3, 30)[:20])),
        },
        out,
        "model",
        progress=lambda done, total: steps.append((done, total)),
    )
    assert sorted(path.name for path in out.iterdir()) == [
        "counters.json",
        "events.json",
        "fabric.pcap",
        "server0.pcap",
        "server1.pcap",
    ]
    # Delivered when the frame has ended (64 octets of 8 ns); then one after the other.
    assert list(read_capture(out / "server0.pcap")) == [
        Packet(EPOCH + 512, frame(RED2, RED1, 20)),
        Packet(EPOCH + 512 + 672, frame(RED1, RED3, 10)),
        Packet(EPOCH + 512 + 2 * 672, frame("ffffffffffff", RED1, 20)),
    ]
    [tunnelled] = read_capture(out / "fabric.pcap")
    assert tunnelled.time == EPOCH + 672 + 512
    assert len(tunnelled.octets) == 54 + 56
    counters = json.loads((out / "counters.json").read_text())
    assert counters == result.counters
    assert counters["ports"]["server0"]["rx_frames"] == 3
    assert counters["ports"]["server0"]["drops"]["spoofed"] == 1
    assert counters["ports"]["server1"]["rx_octets"] == 60
    assert counters["punt"] == {"frames": 0, "lost": 0}
    assert counters["mac"] == {"learned": 0, "moved": 0, "aged": 0, "refused": 0, "events_lost": 0}
    assert result.entered == {"server0": 3, "server1": 1, "fabric": 0}
    assert result.left == {"server0": 3, "server1": 1, "fabric": 1}
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_short_frames_leave_padded(tables: TepTables, tmp_path: Path) -> None:
    inner = bytes.fromhex(RED1 + RED_FAR + "0806")
    outer = bytes.fromhex(
        "020000000f01" "020000000aaa" "86dd" "60000001" "000e8f40"
        "20010db8000000000000000000000002" "20010db8000000000000000000000001"
    )  # fmt: skip
    source = capture(tmp_path / "f.pcap", (0, outer + inner))
    replay(tables, {"fabric": source}, tmp_path, "model")
    [packet] = read_capture(tmp_path / "server0.pcap")
    assert packet.octets == (inner[:12] + bytes.fromhex("8100000a0806")).ljust(60, b"\0")
    counters = json.loads((tmp_path / "counters.json").read_text())["ports"]
    assert (counters["fabric"]["rx_octets"], counters["server0"]["tx_octets"]) == (68, 18)


def test_captures_out_of_order_are_sorted(tables: TepTables, tmp_path: Path) -> None:
    source = capture(tmp_path / "a.pcap", (9_000, frame(RED3, RED1, 10, 100)), (0, frame(RED3, RED1, 10)))
    replay(tables, {"server0": source}, tmp_path / "out", "model")
    assert [(p.time, len(p.octets)) for p in read_capture(tmp_path / "out" / "server1.pcap")] == [
        (512, 60),
        (9_000 + 104 * 8, 100),
    ]


def test_rate(tables: TepTables, tmp_path: Path) -> None:
    source = capture(tmp_path / "a.pcap", (0, frame(RED3, RED1, 10)), (0, frame(RED3, RED1, 10)))
    replay(tables, {"server0": source}, tmp_path / "out", "model", rate=100_000_000)
    assert [p.time for p in read_capture(tmp_path / "out" / "server1.pcap")] == [5_120, 5_120 + 6_720]


def test_ageing_happens_in_capture_time(tables: TepTables, tmp_path: Path) -> None:
    red = replace(tables.tenants[0], learn_source=True, unknown_list=None)
    tables = replace(tables, tenants=(red, tables.tenants[1]), age_seconds=2)
    new, second = "a20001000099", 10**9
    source = capture(
        tmp_path / "a.pcap",
        (0, frame(RED1, new, 77)),
        (second, frame(new, RED1, 10)),
        (3 * second, frame(new, RED1, 10)),
    )
    result = replay(tables, {"server0": source}, tmp_path / "out", "model")
    assert result.left["server0"] == 2
    assert result.counters["mac"] == {"learned": 1, "moved": 0, "aged": 1, "refused": 0, "events_lost": 0}
    learned = {
        "time": "1970-01-01T00:00:00.000000512Z",
        "event": "learned",
        "tenant": "red",
        "tenant_index": 5,
        "mac": "a2:00:01:00:00:99",
        "place": "server0 VLAN 77",
        "port": 0,
        "vlan": 77,
    }
    aged = learned | {"time": "1970-01-01T00:00:02.000000512Z", "event": "aged"}
    assert json.loads((tmp_path / "out" / "events.json").read_text()) == [learned, aged]


def test_wrong_requests(tables: TepTables, tmp_path: Path) -> None:
    source = capture(tmp_path / "server0.pcap", (0, frame(RED3, RED1, 10)))
    with pytest.raises(ReplayError, match="no port 'eth9'; its ports are server0, server1, fabric"):
        replay(tables, {"eth9": source}, tmp_path / "out", "model")
    with pytest.raises(ReplayError, match=r"server0\.pcap would be overwritten"):
        replay(tables, {"fabric": source}, tmp_path, "model")
    with pytest.raises(ReplayError, match="no capture to replay"):
        replay(tables, {}, tmp_path / "out", "model")
    with pytest.raises(ReplayError, match="unknown backend 'vhdl'"):
        replay(tables, {"server0": source}, tmp_path / "out", "vhdl")  # type: ignore[arg-type]
    (tmp_path / "bad.pcap").write_bytes(b"no capture")
    with pytest.raises(CaptureError, match=r"bad\.pcap: neither"):
        replay(tables, {"server0": tmp_path / "bad.pcap"}, tmp_path / "out", "model")
    assert not (tmp_path / "out").exists()


def test_two_teps_in_a_row(tables: TepTables, tmp_path: Path) -> None:
    """What leaves the fabric port of one TEP is delivered by the next, a wire and a frame time later."""
    fabric = replace(tables.ports[2], mac=0x020000000AAA)
    far = replace(
        tables,
        address=tables.teps[0].address,
        ports=(*tables.ports[:2], fabric),
        macs=(
            MacTableEntry(5, 0xA20001000001, Remote(1)),
            MacTableEntry(5, 0xA20101000004, Local(1, 444)),
        ),
        teps=(RemoteTep(1, "rack1", tables.address, (tables.address,), (Way(2, 0x020000000F01),)),),
        lists=(ReplicaList(1, {1: (444,), 2: (1,)}),),
    )
    sent = [frame(RED_FAR, RED1, 10, 300), frame("ffffffffffff", RED1, 10)]
    source = capture(tmp_path / "vm.pcap", *((EPOCH + 5_000 * k, octets) for k, octets in enumerate(sent)))
    replay(tables, {"server0": source}, tmp_path / "near", "model")
    replay(far, {"fabric": tmp_path / "near" / "fabric.pcap"}, tmp_path / "far", "model")
    delivered = list(read_capture(tmp_path / "far" / "server1.pcap"))
    assert [packet.octets for packet in delivered] == [
        frame(RED_FAR, RED1, 444, 300),
        frame("ffffffffffff", RED1, 444),
    ]
    # 304 octets to the first TEP, 300 - 4 + 54 + 4 to the second.
    assert delivered[0].time == EPOCH + (304 + 354) * 8
