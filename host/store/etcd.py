"""etcd, for several controllers and many racks."""

import base64
import contextlib
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from etcd3gw import exceptions
from etcd3gw.client import Etcd3Client

from .base import StoreError
from .endpoint import Endpoint
from .login import LoginError
from .overlay import Overlay
from .watch import Watch, WatchError

__all__ = ["EtcdStore"]

_PAGE = 2000
"""Keys per answer."""
_CHUNK_OPERATIONS = 100
_CHUNK_OCTETS = 500_000
"""What etcd takes at once, by its own defaults (128 operations, 1.5 MB)."""
_LEASE_SECONDS = 5
"""How long a controller that died holds others up."""
_BUSY_SECONDS = 30.0
_POLL_SECONDS = 0.05
_NOTES_KEPT = 100
"""Notes of one client after which etcd may forget what it had kept of those before."""
_WATCH_SECONDS = 300.0
"""After which a watch begins anew: it may be dead without anybody being told."""
_FAILURES = (exceptions.Etcd3Exception, requests.RequestException)
"""What a request to etcd may end with."""
_FORBIDDEN = ("permission denied", "user name is empty", "invalid auth token")
_TOMBSTONE = "\0"
"""A value that stands for none. Chunks put it where they delete, since what is gone has no revision to be told by."""


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decode(text: str) -> str:
    return base64.b64decode(text).decode()


def _beyond(prefix: str) -> str:
    """The first key behind those that begin with ``prefix``, encoded."""
    octets = bytearray(prefix.encode())
    octets[-1] += 1  # UTF-8 has no octet 255
    return base64.b64encode(octets).decode()


class _View:
    """Keys as they were at etcd's revision ``at``."""

    def __init__(self, store: "EtcdStore", at: int, revision: int):
        self._store = store
        self._at = at
        self.revision = revision

    def get(self, key: str) -> str | None:
        for _, value in self._store.read(key, self._at):
            return value
        return None

    def get_many(self, keys: Iterable[str]) -> dict[str, str]:
        return self._store.read_many(keys, self._at)

    def scan(self, prefix: str) -> Iterator[tuple[str, str]]:
        yield from self._store.read(prefix, self._at, many=True)

    def scan_many(self, prefixes: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
        return self._store.scan_many(prefixes, self._at)


class _Lock:
    """The right to change the store, for as long as its lease is kept alive."""

    def __init__(self, store: "EtcdStore"):
        self._store = store
        self._client = store.connect()  # of its own: another thread refreshes the lease
        self._done = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._lease = self._client.lease(_LEASE_SECONDS)
        self.compare: dict[str, Any] = {}
        """Holds as long as the lock does."""

    def acquire(self) -> None:
        """Raises :class:`StoreError` if another one keeps it too long."""
        self._keeper.start()  # waiting may take longer than the lease lasts
        key = _encode(self._store.lock_key)
        free = {"key": key, "target": "CREATE", "result": "EQUAL", "create_revision": 0}
        end = time.monotonic() + _BUSY_SECONDS
        while True:
            put = {"request_put": {"key": key, "value": "", "lease": self._lease.id}}
            revision = self._store.commit([free], [put])
            if revision is not None:
                break
            if time.monotonic() > end:
                raise StoreError(
                    f"{self._store.location}: somebody has been changing it for {_BUSY_SECONDS:.0f} s; try again"
                )
            time.sleep(_POLL_SECONDS)
        self.compare = {**free, "create_revision": revision}

    def _keep(self) -> None:
        while not self._done.wait(_LEASE_SECONDS / 3):
            # A failure shows when the transaction compares the lock.
            with contextlib.suppress(*_FAILURES):
                self._lease.refresh()

    def release(self) -> None:
        self._done.set()
        if self._keeper.is_alive():
            self._keeper.join()
        with contextlib.suppress(*_FAILURES):
            self._lease.revoke()
        self._client.session.close()


class EtcdStore:
    """Keys below ``/PREFIX/`` of an etcd cluster, version 3.4 or later.

    A transaction holds a lock with a lease, and is as large as it likes: more than etcd takes at once goes there in
    chunks, of which the last one moves the *head*. Readers read at the revision of the head, so that they never see a
    part; what a controller that died left of one is taken back by the next transaction.
    """

    def __init__(self, location: str):
        self.location = location
        self._endpoint = Endpoint.parse(location)
        self._root = f"/{self._endpoint.prefix}/"
        self._data = self._root + "data/"
        self._notes = self._root + "notes/"
        self._head_key = self._root + "head"
        self._torn_key = self._root + "torn"  # there while chunks are on their way
        self.lock_key = self._root + "lock"
        self._login = self._endpoint.login(_BUSY_SECONDS)
        self._client = self.connect()
        self._noted = self._compactable = 0
        self._watch: Watch | None = None
        self._watched = 0.0
        with self._explained():
            self._head()

    def connect(self) -> Etcd3Client:
        """Another connection."""
        return self._endpoint.client(_BUSY_SECONDS, self._login)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (*_FAILURES, WatchError) as error:
            raise StoreError(f"{self.location}: {_explain(error)}") from None

    def _post(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        return self._client.post(self._client.get_url(path), json=request)

    def _range(self, request: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
        """Keys, values and the revisions that changed them, page by page."""
        while True:
            answer = self._post("/kv/range", {**request, "limit": _PAGE})
            found = answer.get("kvs", [])
            for entry in found:
                yield _decode(entry["key"]), _decode(entry.get("value", "")), int(entry["mod_revision"])
            if not answer.get("more"):
                return
            last = base64.b64decode(found[-1]["key"]) + b"\0"
            request = {**request, "key": base64.b64encode(last).decode()}

    def read(self, key: str, at: int, *, many: bool = False) -> Iterator[tuple[str, str]]:
        """``key``, or ``many`` keys that begin with it, as of etcd's revision ``at``."""
        if not at:
            return
        request = {"key": _encode(self._data + key), "revision": at}
        if many:
            request["range_end"] = _beyond(self._data + key)
        for found, value, _ in self._range(request):
            if value != _TOMBSTONE:
                yield found.removeprefix(self._data), value

    def read_many(self, keys: Iterable[str], at: int) -> dict[str, str]:
        """The same for any keys."""
        asked = [{"key": _encode(self._data + key), "revision": at} for key in keys] if at else []
        found = (self._entry(entry) for answer in self._ranges(asked) for entry in answer.get("kvs", ()))
        return {key: value for key, value in found if value != _TOMBSTONE}

    def scan_many(self, prefixes: Iterable[str], at: int) -> dict[str, list[tuple[str, str]]]:
        """What begins with each of ``prefixes``."""
        if not at:
            return {prefix: [] for prefix in prefixes}
        wanted = list(prefixes)
        asked = [
            {
                "key": _encode(self._data + prefix),
                "range_end": _beyond(self._data + prefix),
                "revision": at,
                "limit": _PAGE,
            }
            for prefix in wanted
        ]
        found = {}
        for prefix, answer in zip(wanted, self._ranges(asked), strict=True):
            entries = map(self._entry, answer.get("kvs", ()))
            whole = self.read(prefix, at, many=True) if answer.get("more") else entries
            found[prefix] = [(key, value) for key, value in whole if value != _TOMBSTONE]
        return found

    def _entry(self, found: dict[str, str]) -> tuple[str, str]:
        return _decode(found["key"]).removeprefix(self._data), _decode(found.get("value", ""))

    def _ranges(self, asked: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """An answer to each, many with a request."""
        for start in range(0, len(asked), _CHUNK_OPERATIONS):
            part = [{"request_range": request} for request in asked[start : start + _CHUNK_OPERATIONS]]
            for response in self._post("/kv/txn", {"success": part})["responses"]:
                yield response["response_range"]

    def commit(self, compare: Sequence[dict[str, Any]], operations: Sequence[dict[str, Any]]) -> int | None:
        """etcd's revision after ``operations``, ``None`` if ``compare`` did not hold."""
        answer = self._post("/kv/txn", {"compare": list(compare), "success": list(operations)})
        return int(answer["header"]["revision"]) if answer.get("succeeded") else None

    def _head(self) -> tuple[int, int]:
        """etcd's revision of the last whole transaction, and its number; zeros before the first one."""
        for _, number, at in self._range({"key": _encode(self._head_key)}):
            return at, int(number)
        return 0, 0

    def _move_head(self, number: int) -> list[dict[str, Any]]:
        """What comes last in a transaction."""
        return [
            {"request_put": {"key": _encode(self._head_key), "value": _encode(str(number))}},
            {"request_delete_range": {"key": _encode(self._torn_key)}},
        ]

    def _put(self, key: str, value: str) -> dict[str, Any]:
        return {"request_put": {"key": _encode(self._data + key), "value": _encode(value)}}

    def _delete(self, key: str) -> dict[str, Any]:
        return {"request_delete_range": {"key": _encode(self._data + key)}}

    def _guarded(self, lock: _Lock, operations: Sequence[dict[str, Any]]) -> None:
        """In one go, if the lock is still ours."""
        if self.commit([lock.compare], operations) is None:
            raise StoreError(
                f"{self.location}: the right to change it expired, as etcd or this machine was too slow; nothing was"
                " changed; try again"
            )

    def _in_chunks(self, lock: _Lock, operations: Sequence[dict[str, Any]]) -> None:
        for chunk in _chunks(operations):
            self._guarded(lock, chunk)

    def _heal(self, lock: _Lock) -> tuple[int, int]:
        """Take back what was written beyond the head, and return that."""
        at, number = self._head()
        if not any(True for _ in self._range({"key": _encode(self._torn_key)})):
            return at, number
        everything = {"key": _encode(self._data), "range_end": _beyond(self._data)}
        torn = [
            key.removeprefix(self._data)
            for key, _, _ in self._range({**everything, "min_mod_revision": at + 1, "keys_only": True})
        ]
        former = {key: dict(self.read(key, at)).get(key, _TOMBSTONE) for key in torn}
        self._in_chunks(lock, [self._put(key, value) for key, value in former.items()])
        self._guarded(lock, self._move_head(number))
        return self._head()

    def _store(self, lock: _Lock, changes: Mapping[str, str | None], number: int) -> None:
        operations = [
            self._delete(key) if value is None else self._put(key, value) for key, value in changes.items()
        ]
        operations += self._move_head(number)
        if len(list(_chunks(operations))) == 1:
            self._guarded(lock, operations)
            return
        self._guarded(lock, [{"request_put": {"key": _encode(self._torn_key), "value": ""}}])
        shown = [self._put(key, _TOMBSTONE if value is None else value) for key, value in changes.items()]
        self._in_chunks(lock, shown)
        self._guarded(lock, self._move_head(number))
        gone = [self._delete(key) for key, value in changes.items() if value is None]
        with contextlib.suppress(StoreError):  # nobody sees the difference
            self._in_chunks(lock, gone)

    @contextlib.contextmanager
    def view(self) -> Iterator[_View]:
        with self._explained():
            at, number = self._head()
            if at and self._is_compacted(at):
                with self._locked() as lock:
                    at, number = self._heal(lock)
                    self._guarded(lock, self._move_head(number))
                    at, number = self._head()
            yield _View(self, at, number)

    def _is_compacted(self, at: int) -> bool:
        try:
            self._post("/kv/range", {"key": _encode(self._head_key), "revision": at})
        except exceptions.Etcd3Exception as error:
            if "compacted" in (error.detail_text or ""):
                return True
            raise
        return False

    @contextlib.contextmanager
    def _locked(self) -> Iterator[_Lock]:
        lock = _Lock(self)
        try:
            lock.acquire()
            yield lock
        finally:
            lock.release()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Overlay]:
        with self._explained(), self._locked() as lock:
            transaction = Overlay(_View(self, *self._heal(lock)))
            yield transaction
            if transaction.changes:
                self._store(lock, transaction.changes, transaction.revision + 1)

    def note(self, key: str, value: str | None) -> None:
        with self._explained():
            if value is None:
                self._client.delete(self._notes + key)
            else:
                self._client.put(self._notes + key, value)
            self._noted += 1
            if self._noted % _NOTES_KEPT == 0:
                self._compact()

    def _compact(self) -> None:
        """Let etcd forget what notes were: it keeps every value that a key had. A view that is older than the
        compaction before this one fails, the head is moved by the next one."""
        answer = self._post("/kv/range", {"key": _encode(self._head_key)})
        forgotten, self._compactable = self._compactable, int(answer["header"]["revision"])
        if forgotten:
            with contextlib.suppress(*_FAILURES):  # somebody else has done it
                self._post("/kv/compaction", {"revision": forgotten})

    def notes(self, prefix: str) -> dict[str, str]:
        start = self._notes + prefix
        with self._explained():
            found = self._range({"key": _encode(start), "range_end": _beyond(start)})
            return {key.removeprefix(self._notes): value for key, value, _ in found}

    def wait(self, revision: int, timeout: float) -> int:
        with self._explained():
            if timeout <= 0:
                return self._head()[1]
            end = time.monotonic() + timeout
            while True:
                if self._watch is None or time.monotonic() - self._watched > _WATCH_SECONDS:
                    self._end_watch()
                    self._begin_watch()
                assert self._watch is not None
                now = time.monotonic()
                try:
                    number = self._watch.wait(revision, min(end - now, self._watched + _WATCH_SECONDS - now))
                except WatchError:
                    self._end_watch()
                    raise
                if number > revision or time.monotonic() >= end:
                    return number

    def _begin_watch(self) -> None:
        """From now on: etcd may have forgotten the revision that moved the head last."""
        answer = self._post("/kv/range", {"key": _encode(self._head_key)})
        number = int(_decode(answer["kvs"][0]["value"])) if "kvs" in answer else 0
        start = int(answer["header"]["revision"]) + 1
        path = urlsplit(self._client.get_url("/watch")).path
        connection = self._endpoint.connection(_BUSY_SECONDS)
        headers = {} if self._login is None else {"Authorization": self._login.token()}
        self._watch = Watch(connection, path, headers, self._head_key, start, number)
        self._watched = time.monotonic()

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def close(self) -> None:
        self._end_watch()
        self._client.session.close()
        if self._login is not None:
            self._login.close()


def _explain(error: Exception) -> str:
    detail = getattr(error, "detail_text", None) or str(error)
    if isinstance(error, LoginError) or any(reason in detail for reason in _FORBIDDEN):
        return f"etcd refuses it: {detail}; remedy: see which user you are, and what it may do"
    if type(error) is exceptions.Etcd3Exception:
        return f"etcd cannot do it: {detail}; remedy: see etcd's log"
    # Of what urllib3 says, the innermost cause.
    cause = re.search(r"\[Errno [-\d]+\] ([^'\")]+)", detail) or re.search(r"Caused by (.*)\)$", detail)
    return f"no answer of etcd: {cause[1] if cause else detail}; remedy: see that it runs"


def _chunks(operations: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """As many at a time as etcd takes."""
    chunk: list[dict[str, Any]] = []
    octets = 0
    for operation in operations:
        size = sum(len(text) for part in operation.values() for text in part.values())
        if chunk and (len(chunk) == _CHUNK_OPERATIONS or octets + size > _CHUNK_OCTETS):
            yield chunk
            chunk, octets = [], 0
        chunk.append(operation)
        octets += size
    if chunk:
        yield chunk
