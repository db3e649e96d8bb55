"""Writing captures in the pcapng format (draft-ietf-opsawg-pcapng), which has interface names and comments.

Own code: scapy writes microseconds only and is far too heavy for a run-time dependency, dpkt makes times floats,
which cannot hold nanoseconds of today's dates.
"""

import struct
from collections.abc import Sequence
from typing import BinaryIO

__all__ = ["PcapngWriter"]

_SECTION, _INTERFACE, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
_ORDER_MAGIC = 0x1A2B3C4D
_UNKNOWN_LENGTH = (1 << 64) - 1
_ETHERNET = 1
_COMMENT = 1
_USER_APPLICATION = 4
_IF_NAME, _IF_DESCRIPTION, _IF_TSRESOL = 2, 3, 9
_NANOSECONDS = 9
_FLAGS, _INBOUND = 2, 1


class PcapngWriter:
    """Writes one section to ``file``: its header and ``interfaces`` (names and descriptions) at once, then packets.

    ``snap``  octets that are kept of a packet at most, 0 for all.
    """

    def __init__(
        self, file: BinaryIO, application: str, interfaces: Sequence[tuple[str, str]], snap: int = 0
    ):
        self._file = file
        version = struct.pack("<IHHQ", _ORDER_MAGIC, 1, 0, _UNKNOWN_LENGTH)
        blocks = _block(_SECTION, version, {_USER_APPLICATION: application.encode()})
        for name, description in interfaces:
            options = {
                _IF_NAME: name.encode(),
                _IF_DESCRIPTION: description.encode(),
                _IF_TSRESOL: bytes((_NANOSECONDS,)),
            }
            blocks += _block(_INTERFACE, struct.pack("<HHI", _ETHERNET, 0, snap), options)
        self._put(blocks)

    def write(self, interface: int, time: int, octets: bytes, length: int, comment: str) -> None:
        """One received packet of ``length`` octets, of which ``octets`` were kept; ``time`` in nanoseconds."""
        fixed = struct.pack("<IIIII", interface, time >> 32, time & 0xFFFFFFFF, len(octets), length)
        options = {_COMMENT: comment.encode(), _FLAGS: struct.pack("<I", _INBOUND)}
        self._put(_block(_ENHANCED_PACKET, fixed + _padded(octets), options))

    def _put(self, octets: bytes) -> None:
        """Whole blocks only, and at once: whoever reads along gets no half ones to wait for."""
        self._file.write(octets)
        self._file.flush()


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)


def _block(kind: int, body: bytes, options: dict[int, bytes]) -> bytes:
    for code, value in options.items():
        body += struct.pack("<HH", code, len(value)) + _padded(value)
    body += bytes(4)  # end of options
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
