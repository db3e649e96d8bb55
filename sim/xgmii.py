"""XGMII words in Python: packets put on the lanes, and found there again. The reference for tests."""

from collections.abc import Iterable, Sequence

from ..gateware.phy.xgmii import COLUMN_LANES, LANES, Control
from .mac import START, Packet, received

__all__ = ["Lane", "lanes_of", "packets_on", "received_xgmii", "words_of"]

Lane = tuple[int, int]
"""Octet, and whether it is a control character."""
_IDLE = (Control.IDLE, 1)


def lanes_of(packets: Iterable[tuple[int, Packet]], *, error: int = Control.ERROR) -> list[Lane]:
    """The packets, each behind a number of idle lanes. ``error``: what stands where a packet has an error."""
    lanes: list[Lane] = []
    for idle, packet in packets:
        lanes += [_IDLE] * idle
        octets = [(error, 1) if offset in packet.errors else (o, 0) for offset, o in enumerate(packet.octets)]
        octets[0] = (Control.START, 1)
        lanes += [*octets, (Control.TERMINATE, 1)]
    return lanes


def words_of(lanes: Sequence[Lane], idle: int = 12) -> list[tuple[int, int]]:
    """Data and control of each word, with so many idle words behind them."""
    padded = [*lanes, *[_IDLE] * (-len(lanes) % LANES + idle * LANES)]
    words = []
    for at in range(0, len(padded), LANES):
        part = padded[at : at + LANES]
        words.append(
            (
                int.from_bytes(bytes(octet for octet, _ in part), "little"),
                sum(control << lane for lane, (_, control) in enumerate(part)),
            )
        )
    return words


def packets_on(words: Iterable[tuple[int, int]]) -> tuple[list[Packet], list[int], list[int]]:
    """Packets, the gap before each (/T/ included), the lane it begins in. Refuses what is no packet and not idle."""
    packets, gaps, begins = [], [], []
    gap = 0
    octets: bytearray | None = None
    errors: set[int] = set()
    for data, control in words:
        for lane in range(LANES):
            octet, is_control = data >> 8 * lane & 255, control >> lane & 1
            if octets is None:
                if (octet, is_control) == _IDLE:
                    gap += 1
                    continue
                assert is_control and octet == Control.START and lane % COLUMN_LANES == 0
                octets, errors = bytearray(START[:1]), set()
                gaps.append(gap)
                begins.append(lane)
            elif is_control and octet == Control.TERMINATE:
                packets.append(Packet(bytes(octets), frozenset(errors)))
                octets, gap = None, 1
            else:
                assert not is_control or octet == Control.ERROR
                if is_control:
                    errors.add(len(octets))
                octets.append(octet)
    assert octets is None
    return packets, gaps, begins


def received_xgmii(packet: Packet, max_frame: int) -> tuple[bytes, bool] | None:
    """What a receiver makes of a packet, which ends with its first error; see :func:`.mac.received`."""
    octets = packet.octets[: min(packet.errors, default=len(packet.octets))]
    if not octets.startswith(START):
        return None
    frame = received(Packet(octets), max_frame)
    return frame and (frame[0], frame[1] and not packet.errors)
