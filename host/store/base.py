"""What a store can do, whichever it is: ordered text keys, serial transactions, revisions to wait for."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

__all__ = ["Store", "StoreError", "Transaction", "View"]


class StoreError(Exception):
    """The store cannot be used, or lost a transaction; nothing of it is stored then, unless the message says that
    it may be. The message has the remedy."""


class View(Protocol):
    """The store as it was at one moment, however long one looks."""

    @property
    def revision(self) -> int:
        """Transactions that had changed something until then."""

    def get(self, key: str) -> str | None:
        """The value of ``key``, ``None`` if there is none."""

    def get_many(self, keys: Iterable[str]) -> dict[str, str]:
        """The values of those of ``keys`` that have one, in few requests."""

    def scan(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Keys that begin with ``prefix``, and their values, in the order of the keys' octets."""

    def scan_many(self, prefixes: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
        """What :meth:`scan` finds, by prefix, in few requests."""


class Transaction(View, Protocol):
    """A view that can be changed, and sees its own changes."""

    def put(self, key: str, value: str) -> None:
        """Give ``key`` a value."""

    def delete(self, key: str) -> None:
        """Remove ``key``, if it is there."""


class Store(Protocol):
    """Where the controller keeps the fabric. Threads use stores of their own."""

    location: str
    """As the user gave it."""

    def view(self) -> AbstractContextManager[View]:
        """The newest state."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """The newest state, to be changed: durable, as a whole, when the block ends; unchanged if it raises.

        One at a time: others wait for the end of this one, and raise :class:`StoreError` if it takes too long.
        """

    def note(self, key: str, value: str | None) -> None:
        """Keep ``value``, or nothing any more, beside the transactions, for what has a single writer: durable, without
        a revision, and nobody waits for it."""

    def notes(self, prefix: str) -> dict[str, str]:
        """Notes whose keys begin with ``prefix``."""

    def wait(self, revision: int, timeout: float) -> int:
        """The revision as soon as it is beyond ``revision``, or after ``timeout`` seconds."""

    def close(self) -> None:
        """Give up files and connections."""
