"""The access parser against the golden model's view of a frame."""

import random
import struct

import pytest
from opentep.gateware.headers import Drop, GroupAddress
from opentep.gateware.ingress.access import AccessParser
from opentep.gateware.params import Params
from opentep.sim.model.access import is_link_local
from opentep.sim.model.flow import flow_label, traffic_class
from opentep.sim.model.group import restorable, rewrite
from opentep.sim.model.octets import is_group
from opentep.sim.model.packet import AccessFrame
from opentep.sim.packets import to_group

_GROUPS = {
    0x0100: GroupAddress.IPV4.value,
    0x3333: GroupAddress.IPV6.value,
    0xFFFF: GroupAddress.BROADCAST.value,
}
WIDTHS = (32, 64, *(pytest.param(width, marks=pytest.mark.long) for width in (128, 256)), 512)


def params(width: int) -> Params:
    return Params(width=width, known_addresses=16)


def asks(inner: bytes, length: int) -> bool:
    """A short frame to a group that is ARP or a neighbour solicitation."""
    solicits = inner[12:14] == b"\x86\xdd" and inner[20] == 58 and inner[54] == 135
    return bool(inner[0] & 1) and length < 128 and (inner[12:14] == b"\x08\x06" or solicits)


def ip_packet(rng: random.Random) -> bytes:
    """An IP packet that looks right often enough for every branch, with its EtherType in front."""
    protocol = rng.choice([6, 17, 1, 58, rng.randrange(256)])
    if rng.random() < 0.5:
        ihl = rng.choice([5, 5, 5, 6, 15, rng.randrange(16)])
        flags = rng.choice([0, 0x4000, 0x4000, 0x2000, 1, 0x8000, rng.randrange(65536)])
        head = struct.pack(
            ">HBBHHHBB", 0x0800, 4 << 4 | ihl, rng.randrange(256), 99, 7, flags, rng.randrange(256), protocol
        )
        return head + rng.randbytes(30)
    first = 6 << 28 | rng.getrandbits(28)
    message = bytes((rng.choice((135, 135, 136, 133, rng.randrange(256))),)) + rng.randbytes(27)
    return struct.pack(">HIHBB", 0x86DD, first, 99, protocol, 64) + rng.randbytes(32) + message


def access_frame(rng: random.Random, size: int | None = None) -> bytes:
    group = rng.choice((b"\x01\x00\x5e", b"\x33\x33" + rng.randbytes(1))) + rng.randbytes(3)
    dst = rng.choice([rng.randbytes(6), bytes.fromhex("0180c20000") + rng.randbytes(1), b"\xff" * 6, group])
    src = rng.choice([bytes([rng.randrange(128) * 2]) + rng.randbytes(5)] * 4 + [rng.randbytes(6), bytes(6)])
    tpid = rng.choice([b"\x81\x00"] * 6 + [b"\x88\xa8", b"\x81\x01", b""])
    vid = rng.choice([rng.randrange(4096), rng.randrange(4096), 0, 4095])
    tag = tpid + struct.pack(">H", rng.randrange(16) << 12 | vid) if tpid else b""
    rest = rng.choice([ip_packet(rng), ip_packet(rng), b"\x08\x06" + rng.randbytes(40), tag + ip_packet(rng)])
    at = rest.find(b"\x08\0") if rest[:2] == b"\x08\0" else rest.find(b"\x86\xdd")
    if dst[0] & 1 and at in (0, len(tag)) and rng.random() < 0.7:
        ethertype = int.from_bytes(rest[at : at + 2], "big")
        packet = to_group(rng, ethertype, rest[at + 2 :], int.from_bytes(dst, "big"))
        rest = rest[: at + 2] + packet
    frame = dst + src + tag + rest
    size = size or rng.choice([60, 61, 62, 63, 64, rng.randrange(60, 130), rng.randrange(1, 60)])
    return (frame + rng.randbytes(max(0, size - len(frame))))[:size]


def expected(octets: bytes, error: bool, native_vid: int) -> dict:
    """The keys and the header that the contract promises: the fields that count."""
    if error or len(octets) < 60:
        return {"drop": Drop.RX_ERROR, "length": len(octets)}
    dst, src = int.from_bytes(octets[:6], "big"), int.from_bytes(octets[6:12], "big")
    tagged = octets[12:14] == b"\x81\x00"
    inner = octets[:12] + octets[16:] if tagged else octets
    fields = {
        "drop": Drop.NONE,
        "control": 0,
        "dst": dst,
        "src": src,
        "tagged": tagged,
        "start": 0,
        "end": len(octets),
        "length": len(octets),
        "flow": flow_label(inner),
        "traffic_class": traffic_class(inner),
        "outer_src": 0,
        "asks": asks(inner, len(octets)),
        "group": _GROUPS[dst >> 32] if restorable(inner) else GroupAddress.NONE.value,
    }
    if fields["group"]:
        fields["group_octet"] = rewrite(inner, 0x130000)[3]
    frame = AccessFrame.parse(octets, native_vid)
    if frame is None:
        return fields | {"drop": Drop.UNTAGGED}
    packet = len(inner) + 40
    fields |= {"vid": frame.vid, "keys_vid": frame.vid, "pcp_dei": frame.pcp_dei, "packet": packet}
    if is_link_local(dst):
        return fields | {"drop": Drop.LINK_LOCAL}
    if is_group(src) or src == 0:
        return fields | {"drop": Drop.BAD_SOURCE}
    return fields


def check(outcome, frames, native_vid: int) -> None:
    assert [(f.octets, f.error) for f in outcome.frames] == [(f.octets, f.error) for f in frames]
    assert len(outcome.headers) == len(frames)
    for frame, header in zip(frames, outcome.parsed, strict=True):
        for name, value in expected(frame.octets, frame.error, native_vid).items():
            got = header[name] if name == "drop" else int(getattr(header[name], "value", header[name]))
            assert got == value, (name, frame, header)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "native_vid,gap,stall,header_stall", [(0, 0, 0, 0), (77, 0, 0, 0), (77, 0.3, 0.3, 0.5), (0, 0, 0.1, 0.95)]
)
def test_random_frames(bench, width, native_vid, gap, stall, header_stall):
    rng = random.Random(width * 3 + native_vid)
    frames = [bench.Frame(access_frame(rng), rng.random() < 0.1) for _ in range(40)]
    outcome = bench.run(
        AccessParser(params(width)),
        frames,
        gap=gap,
        stall=stall,
        header_stall=header_stall,
        config={"native_vid": native_vid},
    )
    check(outcome, frames, native_vid)
    assert {bool(header["asks"]) for header in outcome.headers} == {False, True}


@pytest.mark.parametrize("width", WIDTHS)
def test_every_length(bench, width):
    rng = random.Random(width)
    lengths = [*range(1, 132), 1518, 9216]
    frames = [bench.Frame(access_frame(rng, size)) for size in lengths]
    outcome = bench.run(AccessParser(params(width)), frames, config={"native_vid": 5})
    check(outcome, frames, 5)


@pytest.mark.parametrize("width", WIDTHS)
def test_rate_and_latency(bench, width):
    """One word per clock, one clock through, header three clocks behind the last word; nothing in the way."""
    rng = random.Random(1)
    behind_keys = 15 * 8 // width * (width // 8) + width // 8 + 1  # else a frame costs a clock more
    sizes = [max(size, behind_keys) for size in (20, 60, 61, 100)]
    frames = [bench.Frame(rng.randbytes(rng.choice(sizes))) for _ in range(60)]
    words = sum(-(-len(frame.octets) * 8 // width) for frame in frames)
    outcome = bench.run(AccessParser(params(width)), frames)
    assert outcome.taken_at[-1] == words - 1
    assert outcome.last_at == [clock + 1 for clock in outcome.taken_at]
    assert outcome.header_at == [clock + 3 for clock in outcome.last_at]
    starts = [
        clock - -(-len(frame.octets) * 8 // width) + 1
        for clock, frame in zip(outcome.last_at, frames, strict=True)
    ]
    last_key_words = [(min(16, len(frame.octets)) - 1) * 8 // width for frame in frames]
    assert outcome.keys_at == [start + word + 1 for start, word in zip(starts, last_key_words, strict=True)]


@pytest.mark.parametrize("width", WIDTHS)
def test_waiting_header_holds_only_the_third_frame(bench, width):
    """While nobody takes headers two frames pass whole, and the third up to its end."""
    rng = random.Random(2)
    frames = [bench.Frame(rng.randbytes(640)) for _ in range(4)]
    words = 640 * 8 // width
    outcome = bench.run(AccessParser(params(width)), frames, header_until=1000)
    assert len(outcome.headers) == 4
    assert outcome.last_at[:3] == [words, 2 * words, 3 * words]
    assert outcome.last_at[3] > 1000


@pytest.mark.parametrize("width", WIDTHS)
def test_waiting_keys_hold_the_next_frame(bench, width):
    rng = random.Random(2)
    frames = [bench.Frame(access_frame(rng, 640)) for _ in range(3)]
    words = 640 * 8 // width
    outcome = bench.run(AccessParser(params(width)), frames, keys_until=1000, config={"native_vid": 5})
    check(outcome, frames, 5)
    assert outcome.last_at[0] == words
    assert outcome.last_at[1] > 1000
