"""The fabric parser against the golden model's view of a frame."""

import random
import struct

import pytest
from opentep.gateware.headers import Congestion, Control, Drop, Encapsulation, GroupAddress
from opentep.gateware.ingress.checksum import advert_sum
from opentep.gateware.ingress.fabric import FabricParser
from opentep.gateware.ingress.tunnel import MOST_OPTIONS
from opentep.gateware.params import Params
from opentep.sim.model.access import is_link_local
from opentep.sim.model.control import answer
from opentep.sim.model.ecn import CongestionLost, combine
from opentep.sim.model.group import restore
from opentep.sim.model.octets import is_group
from opentep.sim.model.packet import EthernetHeader, Ipv6Header
from opentep.sim.model.tunnel import Tunnelled, find_tunnel
from opentep.sim.packets import random_encapsulation, to_group

WIDTHS = (32, 64, *(pytest.param(width, marks=pytest.mark.long) for width in (128, 256)), 512)
_GROUPS = {b"\x01\0": GroupAddress.IPV4, b"\x33\x33": GroupAddress.IPV6, b"\xff\xff": GroupAddress.BROADCAST}
MAC = 0x0200DEADBEEF
ADDRESS = 0xFD00_0001_0002_0003_0004_0005_0006_0A0B
SOLICITED_NODE = 0xFF02 << 112 | 0x1FF << 24 | ADDRESS & 0xFFFFFF
GROUPS = 0xFF3E_0030_FD00_0000_0000_0001
CONFIG = {"mac": MAC, "address": ADDRESS, "advert_sum": advert_sum(ADDRESS, MAC), "group_prefix": GROUPS}


def ipv6(
    dst_mac: int,
    dst: int,
    next_header: int,
    payload: bytes,
    *,
    src: int,
    hop_limit=255,
    traffic_class=0,
    **wrong,
) -> bytes:
    length = wrong.get("length", len(payload))
    return b"".join(
        (
            dst_mac.to_bytes(6, "big"),
            bytes.fromhex("020000000099"),
            struct.pack(
                ">HIHBB",
                wrong.get("ethertype", 0x86DD),
                wrong.get("first", 6 << 28 | traffic_class << 20),
                length,
                next_header,
                hop_limit,
            ),
            src.to_bytes(16, "big"),
            dst.to_bytes(16, "big"),
            payload,
        )
    )


def flip(rng: random.Random, frame: bytes) -> bytes:
    """One bit of the headers wrong."""
    bit = rng.randrange(8 * min(len(frame), 120))
    value = int.from_bytes(frame, "big") ^ 1 << (8 * len(frame) - 1 - bit)
    return value.to_bytes(len(frame), "big")


def source(rng: random.Random) -> int:
    return rng.choice([rng.getrandbits(128), 0, 1, 1 << 127, (1 << 128) - 1, 0xFFFF << 16 * rng.randrange(8)])


def inner_frame(rng: random.Random) -> bytes:
    link_local = bytes.fromhex("0180c20000") + bytes([rng.randrange(20)])
    dst = rng.choice([rng.randbytes(6), link_local, link_local, b"\xff" * 6])
    src = rng.choice([b"\x02" + rng.randbytes(5)] * 4 + [b"\x03" + rng.randbytes(5), bytes(6)])
    ethertype = rng.choice([b"\x08\x00", b"\x86\xdd", b"\x08\x06"])
    packet = rng.randbytes(100)
    if rng.random() < 0.5:
        group = int.from_bytes(dst, "big")
        packet = to_group(rng, int.from_bytes(ethertype, "big"), packet, group)
    return (dst + src + ethertype + packet)[: rng.choice([14, 16, 33, 34, 60, 70, rng.randrange(4, 114)])]


def tunnelled(rng: random.Random) -> bytes:
    header, payload = random_encapsulation(rng, inner_frame(rng), rng.getrandbits(24), plain=0.2)
    length = max(0, len(payload) + rng.randrange(-70, 3))
    wrong = rng.choice([{}] * 5 + [{"length": length}, {"length": 65535}])
    dst = ADDRESS if rng.random() < 0.8 else ADDRESS >> 24 << 24 | rng.choice((0, rng.getrandbits(24)))
    mac = MAC
    if rng.random() < 0.2:
        dst = (GROUPS ^ (rng.random() < 0.1) << rng.randrange(96)) << 32 | rng.getrandbits(32)
        mac = 0x333300000000 | dst & 0xFFFFFFFF
    return ipv6(mac, dst, header, payload, src=source(rng), traffic_class=rng.getrandbits(8), **wrong)


def echo(rng: random.Random) -> bytes:
    checksum = rng.choice([rng.getrandbits(16), 0, 0xFF, 0x100, 0x101, 0xFFFF])
    message = struct.pack(">BBH", 128, rng.choice([0] * 9 + [1]), checksum) + rng.randbytes(
        rng.randrange(2, 60)
    )
    return ipv6(MAC, ADDRESS, 58, message, src=source(rng), hop_limit=rng.randrange(256))


def solicitation(rng: random.Random) -> bytes:
    message = struct.pack(">BBHI", 135, 0, rng.getrandbits(16), 0) + ADDRESS.to_bytes(16, "big")
    message += rng.choice([b"", b"\1\1" + rng.randbytes(6), rng.randbytes(rng.randrange(30))])
    dst_mac, dst = rng.choice([(MAC, ADDRESS), (0x3333FF060A0B, SOLICITED_NODE), (0x333300000001, ADDRESS)])
    hop_limit = rng.choice([255] * 9 + [254])
    wrong = rng.choice([{}] * 9 + [{"length": rng.randrange(20, 26)}])
    return ipv6(dst_mac, dst, 58, message, src=source(rng), hop_limit=hop_limit, **wrong)


def garbage(rng: random.Random) -> bytes:
    return rng.randbytes(70)


def fabric_frame(rng: random.Random) -> bytes:
    kind = rng.choice([*[tunnelled] * 5, echo, solicitation, solicitation, garbage])
    frame = kind(rng)
    change = rng.random()
    if change < 0.25:
        return flip(rng, frame)
    if change < 0.35:
        return frame[: rng.randrange(1, len(frame))]
    return frame.ljust(60, b"\xa5") + rng.choice([b"", b"", rng.randbytes(rng.randrange(40))])


def expected_tunnel(packet: Ipv6Header, tunnelled: Tunnelled) -> dict:
    network = tunnelled.network
    if network is None and packet.dst >> 24 == ADDRESS >> 24 and packet.dst != ADDRESS:
        network = packet.dst & 0xFFFFFF
    fields = {"outer_src": packet.src, "control": Control.NONE}
    inner = tunnelled.inner
    if inner is None:
        return fields | {"drop": Drop.MALFORMED}
    end = 54 + packet.payload_length
    ethernet = EthernetHeader.parse(inner)
    fields |= {
        "drop": Drop.NONE,
        "dst": ethernet.dst,
        "src": ethernet.src,
        "is_network": network is not None,
        "start": end - len(inner),
        "end": end,
        "tagged": 0,
        "vid": 0,
        "pcp_dei": 0,
    }
    if network is not None:
        fields["network"] = network
    restored = restore(inner)
    fields["group"] = GroupAddress.NONE if restored is None else _GROUPS[restored[:2]]
    if fields["group"] in (GroupAddress.IPV4, GroupAddress.IPV6):
        fields["group_octet"] = restored[3 if restored[0] == 1 else 2]
    if is_group(ethernet.src) or ethernet.src == 0:
        return fields | {"drop": Drop.BAD_SOURCE}
    if is_link_local(ethernet.dst):
        return fields | {"drop": Drop.LINK_LOCAL}
    try:
        marked = combine(inner, packet.traffic_class)
    except CongestionLost:
        return fields | {"drop": Drop.ECN}
    if marked == inner:
        return fields | {"congestion": Congestion.SAME}
    fields["traffic_class"] = marked[15]
    if marked[12:14] == b"\x86\xdd":
        return fields | {"congestion": Congestion.IPV6}
    return fields | {"congestion": Congestion.IPV4, "checksum": int.from_bytes(marked[24:26], "big")}


def expected(octets: bytes, error: bool, sid_function: bool = False) -> dict:
    """The keys and the header that the contract promises: the fields that count."""
    if error or len(octets) < 60:
        return {"drop": Drop.RX_ERROR, "control": Control.NONE}
    not_mine = {"drop": Drop.NOT_MINE, "control": Control.NONE}
    packet = Ipv6Header.parse(octets)
    if packet is None:
        return not_mine
    if packet.next_header == 58:
        to_us = int.from_bytes(octets[:6], "big") == MAC or octets[:2] == b"\x33\x33"
        whole = 54 + packet.payload_length <= len(octets)
        if to_us and whole and octets[21] == 255:
            not_mine["control"] = Control.DISCOVERY
        reply = answer(MAC, ADDRESS, octets, packet)
        if reply is None:
            return not_mine
        fields = {"drop": Drop.NONE, "outer_src": packet.src, "start": 0}
        checksum = int.from_bytes(reply[56:58], "big")
        if octets[54] == 128:
            end = 54 + packet.payload_length
            return fields | {"control": Control.ECHO, "end": end, "checksum": checksum}
        probing = packet.src == 0
        return fields | {"control": Control.SOLICITATION, "end": 86, "checksum": checksum, "probing": probing}
    mac = int.from_bytes(octets[:6], "big")
    tunnelled = find_tunnel(packet)
    mine = packet.dst == ADDRESS or (sid_function and packet.dst >> 24 == ADDRESS >> 24)
    at_group = mac >> 32 == 0x3333 and packet.dst >> 32 == GROUPS
    if not ((mac == MAC and mine) or at_group) or tunnelled is None:
        return not_mine
    return expected_tunnel(packet, tunnelled)


def check(outcome, frames, sid_function: bool = False) -> list[dict]:
    assert [(f.octets, f.error) for f in outcome.frames] == [(f.octets, f.error) for f in frames]
    assert len(outcome.headers) == len(frames)
    wanted = [expected(frame.octets, frame.error, sid_function) for frame in frames]
    for frame, header, fields in zip(frames, outcome.parsed, wanted, strict=True):
        got = {name: header[name] for name in fields if name not in ("checksum", "probing")}
        if "checksum" in fields:
            got["checksum"] = header["flow"] & 0xFFFF
        if "probing" in fields:
            got["probing"] = header["flow"] >> 19
        assert got == fields, frame
        assert header["length"] == len(frame.octets)
    return wanted


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "gap,stall,header_stall,sid_function", [(0, 0, 0, True), (0.3, 0.3, 0.5, False), (0, 0.1, 0.95, True)]
)
def test_random_frames(bench, width, gap, stall, header_stall, sid_function):
    rng = random.Random(width + int(100 * gap))
    frames = [bench.Frame(fabric_frame(rng), rng.random() < 0.05) for _ in range(150)]
    outcome = bench.run(
        FabricParser(Params(width=width)),
        frames,
        gap=gap,
        stall=stall,
        header_stall=header_stall,
        config=CONFIG | {"sid_function": sid_function},
    )
    check(outcome, frames, sid_function)


def test_random_frames_reach_every_result():
    rng = random.Random(0)
    wanted = [expected(fabric_frame(rng), False) for _ in range(6000)]
    assert {fields["control"] for fields in wanted} == set(Control)
    assert {fields["drop"] for fields in wanted} == {
        Drop.NONE,
        Drop.RX_ERROR,
        Drop.NOT_MINE,
        Drop.MALFORMED,
        Drop.BAD_SOURCE,
        Drop.LINK_LOCAL,
        Drop.ECN,
    }
    assert {fields["congestion"] for fields in wanted if "congestion" in fields} == set(Congestion)
    assert {fields["group"] for fields in wanted if "group" in fields} == set(GroupAddress)


def good(kind, rng: random.Random) -> bytes:
    """A frame of ``kind`` in which nothing is wrong."""
    while expected(frame := kind(rng).ljust(78, b"\0"), False)["drop"] is not Drop.NONE:
        pass
    return frame


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", [tunnelled, echo, solicitation])
def test_every_truncation(bench, width, kind):
    whole = good(kind, random.Random(width))
    frames = [bench.Frame(whole[:size]) for size in range(50, len(whole) + 1)]
    check(bench.run(FabricParser(Params(width=width)), frames, config=CONFIG), frames)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", [tunnelled, echo, solicitation])
def test_every_bit_counts(bench, width, kind):
    """A single wrong bit in the headers never gives another result than the model's; every second bit in each
    width, the others in the next."""
    whole = good(kind, random.Random(3))
    value = int.from_bytes(whole, "big")
    first = 8 * (len(whole) - 78) + width.bit_length() % 2
    flipped = [value ^ 1 << bit for bit in range(first, 8 * len(whole), 2)]
    frames = [bench.Frame(wrong.to_bytes(len(whole), "big")) for wrong in flipped]
    check(bench.run(FabricParser(Params(width=width)), frames, config=CONFIG), frames)


@pytest.mark.parametrize("width", WIDTHS)
def test_rate_and_latency(bench, width):
    rng = random.Random(1)
    last_key = 65 + MOST_OPTIONS * 8 + Encapsulation.VXLAN.overhead
    behind_keys = last_key * 8 // width * (width // 8) + width // 8 + 1
    # A frame without a tunnelled one costs a clock more.
    padded = (tunnelled(rng).ljust(behind_keys, b"\0") for _ in range(100))
    frames = [bench.Frame(octets) for octets in padded if "src" in expected(octets, False)]
    assert len(frames) > 50
    words = sum(-(-len(frame.octets) * 8 // width) for frame in frames)
    outcome = bench.run(FabricParser(Params(width=width)), frames, config=CONFIG)
    check(outcome, frames)
    assert outcome.taken_at[-1] == words - 1
    assert outcome.last_at == [clock + 1 for clock in outcome.taken_at]
    assert outcome.header_at == [clock + 4 for clock in outcome.last_at]


@pytest.mark.parametrize("width", WIDTHS)
def test_checksum_carries(bench, width):
    """Sums that carry around, at every alignment, back to back."""
    rng = random.Random(4)
    extremes = [0, 1, 0xFFFF, 0xFFFE, 0x8000]
    frames = []
    for _ in range(30):
        src = int.from_bytes(b"".join(rng.choice(extremes).to_bytes(2, "big") for _ in range(8)), "big")
        message = struct.pack(">BBHI", 135, 0, 0, 0) + ADDRESS.to_bytes(16, "big")
        frames.append(bench.Frame(ipv6(MAC, ADDRESS, 58, message, src=src)))
    check(bench.run(FabricParser(Params(width=width)), frames, config=CONFIG), frames)


def test_advert_sum_rejects_what_is_no_address():
    with pytest.raises(ValueError, match="128 bits"):
        advert_sum(1 << 128, 0)
    with pytest.raises(ValueError, match="48 bits"):
        advert_sum(0, 1 << 48)
