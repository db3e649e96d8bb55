"""Where the controller keeps its fabric: one interface, SQLite or etcd behind it."""

from pathlib import Path

from .base import Store, StoreError, Transaction, View
from .overlay import Overlay
from .sqlite import SqliteStore

__all__ = ["Overlay", "SqliteStore", "Store", "StoreError", "Transaction", "View", "open_store"]


def open_store(location: str) -> Store:
    """The store at ``location``: ``etcd://HOST:PORT/PREFIX`` (``etcds`` with TLS, ``USER@HOST`` with a user), or the
    path of a file.

    Raises :class:`StoreError`.
    """
    if "://" in location:
        try:
            from .etcd import EtcdStore
        except ModuleNotFoundError as error:
            raise StoreError(f"{location} needs {error.name}; remedy: pip install 'opentep[etcd]'") from None

        return EtcdStore(location)
    return SqliteStore(Path(location))
