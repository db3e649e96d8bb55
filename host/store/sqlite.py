"""One file, for one controller machine."""

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from .base import StoreError

__all__ = ["SqliteStore"]

_BUSY_SECONDS = 30.0
"""How long to wait for another transaction."""
_POLL_SECONDS = 0.02
_APPLICATION_ID = 0x6F746570
"""``otep``, in the file's header: what `file` and we tell it from other databases by."""

_MIGRATIONS = (
    """
    CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE revision (number INTEGER NOT NULL);
    INSERT INTO revision VALUES (0);
    """,
)
"""From each version of the schema (``user_version``) to the next one."""


def _scan(connection: sqlite3.Connection, table: str, prefix: str) -> list[tuple[str, str]]:
    # UTF-8 sorts as code points do, of which none is above this one.
    where = "WHERE key >= ? AND key < ? ORDER BY key"
    return connection.execute(
        f"SELECT key, value FROM {table} {where}", (prefix, prefix + "\U0010ffff")
    ).fetchall()


class _View:
    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection
        self.changed = False

    @property
    def revision(self) -> int:
        return self._connection.execute("SELECT number FROM revision").fetchone()[0]

    def get(self, key: str) -> str | None:
        row = self._connection.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def get_many(self, keys: Iterable[str]) -> dict[str, str]:
        found = ((key, self.get(key)) for key in keys)
        return {key: value for key, value in found if value is not None}

    def scan(self, prefix: str) -> Iterator[tuple[str, str]]:
        yield from _scan(self._connection, "entries", prefix)

    def scan_many(self, prefixes: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
        return {prefix: _scan(self._connection, "entries", prefix) for prefix in prefixes}

    def put(self, key: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", (key, value))
        self.changed = True

    def delete(self, key: str) -> None:
        self._connection.execute("DELETE FROM entries WHERE key = ?", (key,))
        self.changed = True


class SqliteStore:
    """A SQLite database in WAL mode: readers never wait, a crash leaves the last whole transaction.

    ``path`` is made if it is not there, and brought up to date if an older version made it. ``None``: in memory, gone
    with the store.
    """

    def __init__(self, path: Path | None):
        self.location = str(path) if path else ":memory:"
        with self._explained():
            self._connection = sqlite3.connect(
                path or ":memory:", timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")  # a power cut, too, loses nothing
        if (
            self._pragma("user_version") == len(_MIGRATIONS)
            and self._pragma("application_id") == _APPLICATION_ID
        ):
            return
        with self._begin("IMMEDIATE"):
            version = self._pragma("user_version")
            foreign = self._pragma("application_id") != _APPLICATION_ID
            if foreign and self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise StoreError(
                    f"{self.location} is a database of another program; remedy: name another file"
                )
            if version > len(_MIGRATIONS):
                raise StoreError(
                    f"{self.location} was made by a newer opentep (format {version}, this one knows"
                    f" {len(_MIGRATIONS)}); remedy: upgrade opentep"
                )
            for migration in _MIGRATIONS[version:]:
                for statement in filter(str.strip, migration.split(";")):
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")

    def _pragma(self, name: str) -> int:
        return self._connection.execute(f"PRAGMA {name}").fetchone()[0]

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                remedy = f"somebody has been changing it for {_BUSY_SECONDS:.0f} s; try again"
            else:
                remedy = "check the path, its rights, and the room on the disk"
            raise StoreError(f"{self.location}: {error}; remedy: {remedy}") from None
        except sqlite3.DatabaseError as error:
            remedy = "restore it from a copy or an export"
            raise StoreError(f"{self.location} is no store, or damaged ({error}); remedy: {remedy}") from None

    @contextlib.contextmanager
    def _begin(self, kind: str) -> Iterator[_View]:
        with self._explained():
            self._connection.execute(f"BEGIN {kind}")
        try:
            view = _View(self._connection)
            yield view
            if view.changed:
                self._connection.execute("UPDATE revision SET number = number + 1")
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def view(self) -> Iterator[_View]:
        with self._explained(), self._begin("DEFERRED") as view:
            yield view

    @contextlib.contextmanager
    def transaction(self) -> Iterator[_View]:
        with self._explained(), self._begin("IMMEDIATE") as view:
            yield view

    def note(self, key: str, value: str | None) -> None:
        with self._explained():
            if value is None:
                self._connection.execute("DELETE FROM notes WHERE key = ?", (key,))
            else:
                self._connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, value))

    def notes(self, prefix: str) -> dict[str, str]:
        with self._explained():
            return dict(_scan(self._connection, "notes", prefix))

    def wait(self, revision: int, timeout: float) -> int:
        end = time.monotonic() + timeout
        while True:
            with self.view() as view:
                now = view.revision
            if now > revision or time.monotonic() >= end:
                return now
            time.sleep(_POLL_SECONDS)

    def close(self) -> None:
        self._connection.close()
