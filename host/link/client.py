"""The host's side of the host link protocol: many requests in flight, each done once and in order."""

import secrets
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from opentep.gateware.csr.bus import MAX_ENTRY_WORDS

from .protocol import (
    BURST_WORDS,
    PROTOCOL_VERSION,
    WINDOW,
    FrameError,
    FrameSplitter,
    Kind,
    Read,
    Reply,
    Status,
    Write,
    decode_greeting,
    decode_reply,
    encode_hello,
    encode_request,
)
from .transport import Clock, Transport

__all__ = [
    "AccessError",
    "LinkClient",
    "LinkError",
    "LinkTimeoutError",
    "ProtocolError",
    "SessionLostError",
    "Statistics",
]

_SEQUENCES = 256


class LinkError(Exception):
    """The host link failed. The requests in flight may have been done or not."""


class LinkTimeoutError(LinkError):
    """The device does not answer."""


class SessionLostError(LinkError):
    """The device restarted, or another host took the link over: its tables may no longer be what they were."""


class ProtocolError(LinkError):
    """The device speaks another version, or refused a request."""


class AccessError(LinkError):
    """A request met registers that do not exist or cannot be accessed this way. The link goes on working."""


@dataclass
class Statistics:
    """What the client saw since it was made."""

    requests: int = 0
    resent: int = 0
    """Requests sent again; see :attr:`LinkClient.resent`."""
    damaged_replies: int = 0


@dataclass
class _InFlight:
    request: Read | Write
    frame: bytes
    reply: Reply | None = None
    again: bool = False
    """Has been sent again since the last time-out, so another hint of its loss means nothing new."""


class LinkClient:
    """Carries reads and writes to the device behind ``transport``.

    ``timeout``   seconds without any progress after which what is in flight is sent again.
    ``attempts``  how often that is tried before :class:`LinkTimeoutError`.
    ``clock``     tells the time in seconds, for devices that live in simulated time.

    The session opens with the first request. After any error but :class:`AccessError` the
    next request opens another.
    """

    def __init__(
        self, transport: Transport, *, timeout: float = 0.5, attempts: int = 20, clock: Clock = time.monotonic
    ):
        self.transport = transport
        self._clock = clock
        self.timeout = timeout
        self.attempts = attempts
        self.statistics = Statistics()
        self._splitter = FrameSplitter()
        self._session: int | None = None
        self._next = 0
        self._window = WINDOW

    @property
    def resent(self) -> int:
        """How many requests were sent again since it was made. A read among them may tell what is there after the
        requests behind it, up to the window: see "Order" in ``docs/host-link.md``."""
        return self.statistics.resent

    def __enter__(self) -> "LinkClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.transport.close()

    def read(self, address: int, count: int = 1) -> list[int]:
        """Read consecutive words."""
        requests = [Read(start, length) for start, length in _pieces(address, count)]
        return [word for words in self.execute(requests) for word in words]

    def write(self, address: int, words: Iterable[int]) -> None:
        """Write consecutive words."""
        values = tuple(words)
        pieces = _pieces(address, len(values))
        self.execute(Write(start, values[start - address : start - address + n]) for start, n in pieces)

    def connect(self) -> None:
        """Open a new session, whatever came before."""
        self._session = None
        session, sequence = secrets.randbits(32), secrets.randbelow(_SEQUENCES)
        hello = encode_hello(session, sequence)
        for _attempt in range(self.attempts):
            # A delimiter first, so that the rest of an earlier frame does not take the hello with it.
            self.transport.write(b"\0" + hello)
            deadline = self._clock() + self.timeout
            while (left := deadline - self._clock()) > 0:
                for reply in self._replies(left):
                    if reply.kind is Kind.HELLO and reply.status is Status.BAD_REQUEST:
                        raise ProtocolError(
                            f"the device does not speak version {PROTOCOL_VERSION} of the protocol"
                        )
                    greeting = decode_greeting(reply, session)
                    if greeting is not None:
                        self._window = min(WINDOW, greeting["window"])
                        self._session, self._next = session, (sequence + 1) % _SEQUENCES
                        return
        raise LinkTimeoutError(f"no answer to {self.attempts} attempts to open the link")

    def execute(self, requests: Iterable[Read | Write]) -> list[tuple[int, ...]]:
        """Do all requests in order, each once; the words read by each (none for writes).

        Raises :class:`AccessError` after all have been done, if one or more met a bus error.
        """
        if self._session is None:
            self.connect()
        try:
            return self._execute(requests)
        except AccessError:
            raise
        except BaseException:
            # Replies to what is in flight may still come; a new session tells them apart.
            self._session = None
            raise

    def _execute(self, requests: Iterable[Read | Write]) -> list[tuple[int, ...]]:
        assert self._session is not None
        source = iter(requests)
        flying: deque[_InFlight] = deque()
        first = self._next
        """Sequence number of the oldest request in flight."""
        results: list[tuple[int, ...]] = []
        refused: list[Read | Write] = []
        silent = 0
        deadline = self._clock() + self.timeout
        exhausted = False
        while True:
            outgoing = bytearray()
            while not exhausted and len(flying) < self._window:
                try:
                    request = next(source)
                except StopIteration:
                    exhausted = True
                    break
                frame = encode_request(self._session, self._next, request)
                flying.append(_InFlight(request, frame))
                self._next = (self._next + 1) % _SEQUENCES
                self.statistics.requests += 1
                outgoing += frame
            if outgoing:
                self.transport.write(bytes(outgoing))
            if not flying:
                break
            progress = False
            for arrived in self._replies(max(0.0, deadline - self._clock())):
                progress |= self._take(arrived, first, flying)
            while flying and (reply := flying[0].reply) is not None:
                first = (first + 1) % _SEQUENCES
                results.append(reply.words)
                if reply.status is Status.BUS_ERROR:
                    refused.append(flying[0].request)
                flying.popleft()
            now = self._clock()
            if progress:
                silent = 0
                deadline = now + self.timeout
            elif now >= deadline:
                silent += 1
                if silent >= self.attempts:
                    raise LinkTimeoutError(f"no answer for {silent * self.timeout:.1f} s")
                self._resend(flying, force=True)
                deadline = now + self.timeout
        if refused:
            where = ", ".join(f"{type(r).__name__.lower()} at {r.address:#x}" for r in refused[:4])
            raise AccessError(f"{len(refused)} request(s) met registers that do not exist or refuse: {where}")
        return results

    def _take(self, reply: Reply, first: int, flying: deque[_InFlight]) -> bool:
        """Match a reply to what is in flight. Whether anything new was learnt."""
        offset = (reply.sequence - first) % _SEQUENCES
        if reply.kind is Kind.HELLO or offset >= len(flying):
            return False
        entry = flying[offset]
        if reply.kind is not (Kind.READ if isinstance(entry.request, Read) else Kind.WRITE):
            return False
        if reply.status is Status.NO_SESSION:
            raise SessionLostError("the device has lost the session: it restarted, or another host took over")
        if reply.status is Status.BAD_REQUEST:
            raise ProtocolError(f"the device does not understand {entry.request}")
        if reply.status is Status.GAP:
            missing = (reply.expected - first) % _SEQUENCES
            self._resend(list(flying)[missing:] if missing < len(flying) else [])
            return False
        if entry.reply is not None:
            return False
        if isinstance(entry.request, Read) and len(reply.words) != entry.request.count:
            return False
        entry.reply = reply
        # Requests are done and answered in order, so the answers to those before have been lost.
        self._resend(list(flying)[:offset])
        return True

    def _resend(self, entries: Iterable[_InFlight], *, force: bool = False) -> None:
        frames = []
        for entry in entries:
            if entry.reply is None and (force or not entry.again):
                entry.again = not force
                frames.append(entry.frame)
        if frames:
            self.statistics.resent += len(frames)
            # A delimiter first: the line may be in the middle of a damaged frame.
            self.transport.write(b"\0" + b"".join(frames))

    def _replies(self, timeout: float) -> list[Reply]:
        """Wait for octets and decode the intact replies among them."""
        replies = []
        for frame in self._splitter.feed(self.transport.read(timeout)):
            try:
                replies.append(decode_reply(frame))
            except FrameError:
                self.statistics.damaged_replies += 1
        return replies


def _pieces(address: int, count: int) -> list[tuple[int, int]]:
    """Cut consecutive words into bursts that never cut a table entry or wide register in two."""
    pieces = []
    end = address + count
    while address < end:
        limit = address - address % MAX_ENTRY_WORDS + BURST_WORDS
        length = min(end, limit) - address
        pieces.append((address, min(length, BURST_WORDS)))
        address += min(length, BURST_WORDS)
    return pieces
