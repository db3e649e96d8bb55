"""What the MAC's tests share: packets as octets on the wire, and words of frames."""

import random
import zlib
from dataclasses import dataclass

import pytest
from opentep.gateware.packet import Word

PREAMBLE = b"\x55" * 7 + b"\xd5"


def with_fcs(frame: bytes) -> bytes:
    return frame + zlib.crc32(frame).to_bytes(4, "little")


@dataclass
class Packet:
    """What is between two gaps."""

    octets: bytes
    errors: frozenset[int] = frozenset()
    """Offsets with RX_ER or TX_ER."""

    @classmethod
    def of(cls, frame: bytes) -> "Packet":
        return cls(PREAMBLE + with_fcs(frame))


def expected(packet: Packet, max_frame: int) -> tuple[bytes, bool] | None:
    """What a receiver makes of a packet: the frame and whether it is good. Frames cut behind ``max_frame`` octets."""
    begin = packet.octets.find(b"\xd5")
    if begin < 0 or packet.octets[:begin].strip(b"\x55") or packet.errors & set(range(begin + 1)):
        return None
    body = packet.octets[begin + 1 :]
    if len(body) < 5:
        return None
    good = 64 <= len(body) <= max_frame and with_fcs(body[:-4]) == body
    good &= not any(begin < offset for offset in packet.errors)
    return body[:max_frame][:-4], good


def words(frame: bytes, width: int, *, error: bool = False) -> list[int]:
    """The words of a frame, what is beyond its end set to ones."""
    step = width // 8
    layout = Word(width)
    result = []
    for offset in range(0, len(frame), step):
        octets = frame[offset : offset + step]
        last = offset + step >= len(frame)
        data = int.from_bytes(octets.ljust(step, b"\xff"), "little")
        fields = {"data": data, "count": len(octets), "last": last, "error": error and last}
        result.append(layout.const(fields).as_bits())
    return result


class Collector:
    """Frames out of words."""

    def __init__(self, width: int):
        self.layout = Word(width)
        self.octets = width // 8
        self.frames: list[tuple[bytes, bool]] = []
        self.current = b""

    def add(self, bits: int) -> None:
        word = self.layout.from_bits(bits)
        count = int(word.count)
        assert 1 <= count <= self.octets
        assert word.last or count == self.octets
        self.current += int(word.data).to_bytes(self.octets, "little")[:count]
        if word.last:
            self.frames.append((self.current, not word.error))
            self.current = b""


class Kit:
    PREAMBLE = PREAMBLE
    Packet, Collector = Packet, Collector
    with_fcs = staticmethod(with_fcs)
    expected = staticmethod(expected)
    words = staticmethod(words)

    @staticmethod
    def lengths(rng: random.Random, count: int, longest: int) -> list[int]:
        """Of frames without FCS, the short ones more often."""
        return [
            rng.choice((rng.randrange(1, 20), rng.randrange(1, 80), rng.randrange(1, longest)))
            for _ in range(count)
        ]


@pytest.fixture
def kit():
    return Kit
