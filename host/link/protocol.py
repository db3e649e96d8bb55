"""Encoding of host link frames, without any input or output. ``docs/host-link.md`` is the specification."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from amaranth.lib import data
from opentep.gateware.csr.bus import MAX_ENTRY_WORDS
from opentep.gateware.csr.codec import Codec
from opentep.gateware.hostlink.format import (
    BURST_WORDS,
    PROTOCOL_VERSION,
    REPEAT,
    WINDOW,
    Burst,
    Greeting,
    Kind,
    ReplyHeader,
    RequestHeader,
    Status,
)

__all__ = [
    "BURST_WORDS",
    "PROTOCOL_VERSION",
    "REPEAT",
    "WINDOW",
    "FrameError",
    "FrameSplitter",
    "Greeting",
    "Kind",
    "Read",
    "Reply",
    "Status",
    "Write",
    "cobs_decode",
    "cobs_encode",
    "decode_greeting",
    "decode_reply",
    "encode_hello",
    "encode_request",
]

_REQUEST_HEADER = Codec(RequestHeader)
_BURST = Codec(Burst)
_REPLY_HEADER = Codec(ReplyHeader)
_GREETING = Codec(Greeting)
_LONGEST_FRAME = 4 * (BURST_WORDS + 8)
"""Octets, more than any reply has."""


class FrameError(ValueError):
    """A frame that is damaged or not understood."""


@dataclass(frozen=True)
class Read:
    """Read ``count`` words, in runs of ``run`` words that begin ``2**step`` words apart.

    With ``step`` :data:`REPEAT` all runs begin at ``address``.
    """

    address: int
    count: int
    run: int = 1
    step: int = 0

    def __post_init__(self) -> None:
        _check_burst(self.address, self.count, self.run, self.step)


@dataclass(frozen=True)
class Write:
    """Write ``words``, laid out as in :class:`Read`."""

    address: int
    words: tuple[int, ...]
    run: int = 1
    step: int = 0

    def __post_init__(self) -> None:
        _check_burst(self.address, len(self.words), self.run, self.step)


def _check_burst(address: int, count: int, run: int, step: int) -> None:
    if not 0 <= address < 1 << data.Layout.cast(Burst)["address"].width:
        raise ValueError(f"{address:#x} is no address")
    if not 1 <= count <= BURST_WORDS:
        raise ValueError(f"a request is for 1 to {BURST_WORDS} words, not {count}")
    if not 1 <= run <= MAX_ENTRY_WORDS or count % run:
        raise ValueError(f"{count} words are no whole number of runs of {run}")
    if step != REPEAT and not run <= 1 << step <= MAX_ENTRY_WORDS:
        raise ValueError(f"runs of {run} words cannot begin 2**{step} words apart")


@dataclass(frozen=True)
class Reply:
    kind: Kind
    sequence: int
    expected: int
    """Sequence number of the request that the device does next."""
    words: tuple[int, ...]
    status: Status


def cobs_encode(content: bytes) -> bytes:
    """Consistent overhead byte stuffing (Cheshire and Baker, 1999), without delimiter."""
    result = bytearray()
    for block in content.split(b"\0"):
        while len(block) >= 254:
            result.append(255)
            result += block[:254]
            block = block[254:]
        result.append(len(block) + 1)
        result += block
    return bytes(result)


def cobs_decode(encoded: bytes) -> bytes:
    """The reverse of :func:`cobs_encode`."""
    result = bytearray()
    position = 0
    while position < len(encoded):
        code = encoded[position]
        block = encoded[position + 1 : position + code]
        if code == 0 or 0 in block or len(block) != code - 1:
            raise FrameError("broken byte stuffing")
        result += block
        position += code
        if code < 255 and position < len(encoded):
            result.append(0)
    return bytes(result)


class FrameSplitter:
    """Cuts a stream of octets, in pieces of any size, at the delimiters."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._skip = False

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """The frames that these octets complete, still stuffed. Frames longer than any reply are left out."""
        *complete, rest = octets.split(b"\0")
        for part in complete:
            self._pending += part
            if self._pending and not self._skip and len(self._pending) <= _LONGEST_FRAME:
                yield bytes(self._pending)
            self._pending.clear()
            self._skip = False
        self._pending += rest
        if len(self._pending) > _LONGEST_FRAME:
            self._pending.clear()
            self._skip = True


def _word(codec: Codec, **fields: Any) -> bytes:
    return struct.pack("<I", codec.encode(fields))


def _frame(content: bytes) -> bytes:
    return cobs_encode(content + struct.pack("<I", zlib.crc32(content))) + b"\0"


def encode_request(session: int, sequence: int, request: Read | Write) -> bytes:
    """The octets of a request, delimiter included."""
    if isinstance(request, Read):
        kind, count, payload = Kind.READ, request.count, b""
    else:
        kind, count = Kind.WRITE, len(request.words)
        payload = struct.pack(f"<{count}I", *request.words)
    header = _word(_REQUEST_HEADER, kind=kind, sequence=sequence, count=count)
    burst = _word(_BURST, address=request.address, run=request.run - 1, step=request.step)
    return _frame(header + struct.pack("<I", session) + burst + payload)


def encode_hello(session: int, sequence: int) -> bytes:
    """The octets of the request that opens a session: ``sequence`` precedes that of its first request."""
    header = _word(_REQUEST_HEADER, kind=Kind.HELLO, sequence=sequence)
    return _frame(header + struct.pack("<II", session, PROTOCOL_VERSION))


def decode_reply(encoded: bytes) -> Reply:
    """A reply from the octets between two delimiters. Raises :class:`FrameError`."""
    content = cobs_decode(encoded)
    if (
        len(content) < 12
        or len(content) % 4
        or zlib.crc32(content[:-4]) != int.from_bytes(content[-4:], "little")
    ):
        raise FrameError("damaged reply")
    header, *words, status = struct.unpack(f"<{len(content) // 4 - 1}I", content[:-4])
    fields = _REPLY_HEADER.decode(header)
    if not fields["is_reply"] or not isinstance(fields["kind"], Kind):
        raise FrameError(f"unknown kind of frame: {header:#010x}")
    try:
        return Reply(fields["kind"], fields["sequence"], fields["expected"], tuple(words), Status(status))
    except ValueError:
        raise FrameError(f"unknown status {status}") from None


def decode_greeting(reply: Reply, session: int) -> dict[str, int] | None:
    """What the device says of itself in reply to the hello of ``session``; None if ``reply`` is none."""
    if reply.kind is not Kind.HELLO or len(reply.words) != 2 or reply.words[1] != session:
        return None
    fields: dict[str, int] = _GREETING.decode(reply.words[0])
    return fields
