"""The layout of host link frames in gateware: ``docs/host-link.md`` in words of 32 bits."""

from amaranth.lib import data, enum

__all__ = [
    "BURST_WORDS",
    "HEADER_WORDS",
    "PROTOCOL_VERSION",
    "REPEAT",
    "WINDOW",
    "Burst",
    "Greeting",
    "Kind",
    "ReplyHeader",
    "RequestHeader",
    "Status",
]

PROTOCOL_VERSION = 1
BURST_WORDS = 64
"""Most words in one request."""
HEADER_WORDS = 3
"""Words of a request before its data."""
WINDOW = 16
"""Most requests in flight: so many of their outcomes are remembered. A power of two."""
REPEAT = 7
"""Value of ``Burst.step``: all runs are at the same address."""


class Kind(enum.Enum, shape=7):
    """What a frame is. Values from 16 are left for frames and events that the device sends unasked."""

    HELLO = 0
    READ = 1
    WRITE = 2


class Status(enum.Enum, shape=8):
    """Outcome of a request."""

    OK = 0
    BUS_ERROR = 1
    """Done, but a word does not exist or cannot be accessed this way."""
    GAP = 2
    """Not done: a request before this one was lost."""
    NO_SESSION = 3
    """Not done: it is of another session than the last hello."""
    BAD_REQUEST = 4
    """Not done: unknown kind or version, or a length that contradicts the count."""


class RequestHeader(data.Struct):
    """First word of a request; the session follows."""

    kind: Kind
    is_reply: 1
    sequence: 8
    count: 8
    """Words to read or write."""
    reserved: 8


class Burst(data.Struct):
    """Third word of a read or write: runs of consecutive words that begin ``2**step`` words apart."""

    address: 20
    run: 5
    """Words of a run less one."""
    step: 3
    reserved: 4


class ReplyHeader(data.Struct):
    """First word of a reply. The words read follow, then one with the :class:`Status`."""

    kind: Kind
    is_reply: 1
    sequence: 8
    expected: 8
    """Sequence number of the request that the device does next."""
    reserved: 8


class Greeting(data.Struct):
    """First word in the reply to a hello; the session follows."""

    version: 8
    burst_words: 8
    window: 8
    reserved: 8
