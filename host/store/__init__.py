"""Where the controller keeps its fabric: one interface, SQLite or etcd behind it."""

from pathlib import Path

from .base import Store, StoreError, Transaction, View
from .overlay import Overlay
from .sqlite import SqliteStore

__all__ = ["Overlay", "SqliteStore", "Store", "StoreError", "Transaction", "View", "file_of", "open_store"]


def file_of(location: str) -> Path | None:
    """The file that ``location`` names; ``None``: it names no file. Raises :class:`StoreError` for half an address."""
    if "://" in location:
        return None
    scheme, colon, _ = location.partition(":")
    if colon and scheme in ("etcd", "etcds"):
        # Without the rest: somebody may have put a password there.
        raise StoreError(f"'{scheme}:' without '//' is no address; remedy: write {scheme}://HOST:2379/PREFIX")
    return Path(location)


def open_store(location: str) -> Store:
    """The store at ``location``: ``etcd://HOST:PORT/PREFIX`` (``etcds`` with TLS, ``USER@HOST`` with a user), or the
    path of a file.

    Raises :class:`StoreError`.
    """
    file = file_of(location)
    if file is None:
        try:
            from .etcd import EtcdStore
        except ModuleNotFoundError as error:
            raise StoreError(f"{location} needs {error.name}; remedy: pip install 'opentep[etcd]'") from None

        return EtcdStore(location)
    return SqliteStore(file)
