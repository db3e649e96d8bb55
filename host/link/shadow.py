"""What the host wrote need not be read again."""

from collections.abc import Iterable, Sequence

from opentep.gateware.csr.element import Access
from opentep.gateware.csr.memory_map import MemoryMap
from opentep.host.registers import RegisterClient, resent

from .protocol import REPEAT, Read, Write

__all__ = ["ShadowClient"]

_NOT_OURS = ("control.scratch", "inject.", "mac_requests", "mailbox", "mdio.", "punt.")
"""Beginnings of names of what can be written and is not memory, or that other parts of the host use."""


def _addresses(request: Read | Write, count: int) -> Sequence[int]:
    step = 0 if request.step == REPEAT else 1 << request.step
    if step == request.run or count <= request.run:
        return range(request.address, request.address + count)
    return [request.address + k // request.run * step + k % request.run for k in range(count)]


class ShadowClient:
    """A :class:`RegisterClient` in front of another one that answers from memory where only the host writes.

    Good for as long as nobody else writes and the TEP is not reset, both of which end the session of the host link:
    after any error everything is forgotten.
    """

    def __init__(self, client: RegisterClient):
        self._client = client
        self._words: dict[int, int] = {}
        self._ours: set[int] = set()

    def trust(self, memory_map: MemoryMap) -> None:
        """From now on remember what is only the host's to write."""
        for resource in memory_map:
            if resource.element.access is Access.READ_WRITE and not resource.name.startswith(_NOT_OURS):
                self._ours.update(range(resource.start, resource.end))

    def forget(self) -> None:
        """Read everything from the TEP again."""
        self._words.clear()

    @property
    def resent(self) -> int:
        """As the client behind counts them."""
        return resent(self._client)

    def execute(self, requests: Iterable[Read | Write]) -> list[tuple[int, ...]]:
        requests = list(requests)
        results: list[tuple[int, ...] | None] = [None] * len(requests)
        if all(isinstance(request, Read) for request in requests):  # a write changes what is read behind it
            results = [self._known(request) for request in requests]
        open = [index for index, words in enumerate(results) if words is None]
        try:
            replies = self._client.execute(requests[index] for index in open)
        except BaseException:
            self.forget()
            raise
        for index, words in zip(open, replies, strict=True):
            request = requests[index]
            self._learn(request, request.words if isinstance(request, Write) else words)
            results[index] = words
        return [words for words in results if words is not None]

    def _known(self, request: Read | Write) -> tuple[int, ...] | None:
        """The words of a read, if all are known."""
        if isinstance(request, Write):
            return None
        try:
            return tuple(map(self._words.__getitem__, _addresses(request, request.count)))
        except KeyError:
            return None

    def _learn(self, request: Read | Write, words: tuple[int, ...]) -> None:
        for address, word in zip(_addresses(request, len(words)), words, strict=True):
            if address in self._ours:
                self._words[address] = word
