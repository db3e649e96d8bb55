"""What a MAC makes of packets on the wire, in Python: the reference for tests, and their words of frames."""

import random
import zlib
from dataclasses import dataclass

from ..gateware.mac.frame import MIN_FRAME, PREAMBLE, PREAMBLE_OCTETS, SFD
from ..gateware.packet import Word

__all__ = ["START", "Collector", "Packet", "frame_words", "random_lengths", "received", "with_fcs"]

START = bytes((PREAMBLE,)) * PREAMBLE_OCTETS + bytes((SFD,))
"""Preamble and SFD."""


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
        return cls(START + with_fcs(frame))


def received(packet: Packet, max_frame: int) -> tuple[bytes, bool] | None:
    """What a receiver makes of a packet: the frame and whether it is good. Frames cut behind ``max_frame`` octets."""
    begin = packet.octets.find(SFD)
    if begin < 0 or packet.octets[:begin].strip(bytes((PREAMBLE,))) or packet.errors & set(range(begin + 1)):
        return None
    body = packet.octets[begin + 1 :]
    if len(body) < 5:
        return None
    good = MIN_FRAME <= len(body) <= max_frame and with_fcs(body[:-4]) == body
    good &= not any(begin < offset for offset in packet.errors)
    return body[:max_frame][:-4], good


def frame_words(frame: bytes, width: int, *, error: bool = False) -> list[int]:
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


def random_lengths(rng: random.Random, count: int, longest: int) -> list[int]:
    """Lengths of frames, the short ones more often."""
    return [rng.randrange(1, rng.choice((20, 80, longest + 1))) for _ in range(count)]
