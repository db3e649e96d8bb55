"""etcd, for several controllers and many racks."""

import contextlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from etcd3gw import exceptions
from etcd3gw.client import Etcd3Client

from .base import StoreError
from .endpoint import Endpoint
from .keys import FAILURES, OPERATIONS, EtcdKeys, Request, below, decode, delete, one, put
from .lock import EtcdLock
from .login import LoginError
from .overlay import Overlay
from .snapshot import TOMBSTONE, EtcdView
from .watch import Watch, WatchError

__all__ = ["EtcdStore"]

_CHUNK_OCTETS = 500_000
"""What etcd takes at once, by its own defaults 1.5 MB."""
_BUSY_SECONDS = 30.0
_NOTES_KEPT = 100
"""Notes of one client after which etcd may forget what it had kept of those before."""
_WATCH_SECONDS = 300.0
"""After which a watch begins anew: it may be dead without anybody being told."""
_FORBIDDEN = ("permission denied", "user name is empty", "invalid auth token")


class EtcdStore:
    """Keys below ``/PREFIX/`` of an etcd cluster, version 3.4 or later.

    A transaction holds a lock with a lease, and is as large as it likes: more than etcd takes at once goes there in
    chunks, of which the last one moves the *head*. Readers read at the revision of the head, so that they never see a
    part; what a controller that died left of one is taken back by the next transaction. Chunks put a tombstone where
    they delete.
    """

    def __init__(self, location: str):
        self.location = location
        self._endpoint = Endpoint.parse(location)
        root = f"/{self._endpoint.prefix}/"
        self._data = root + "data/"
        self._notes = root + "notes/"
        self._head_key = root + "head"
        self._torn_key = root + "torn"  # there while chunks are on their way
        self.lock_key = root + "lock"
        self._login = self._endpoint.login(_BUSY_SECONDS)
        self._keys = EtcdKeys(self._connect())
        self._noted = self._compactable = 0
        self._watch: Watch | None = None
        self._watched = 0.0
        with self._explained():
            self._head()

    def _connect(self) -> Etcd3Client:
        return self._endpoint.client(_BUSY_SECONDS, self._login)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (*FAILURES, WatchError) as error:
            raise StoreError(f"{self.location}: {_explain(error)}") from None

    def _view(self, at: int, number: int) -> EtcdView:
        return EtcdView(self._keys, self._data, at, number)

    def _head(self, then: int = 0) -> tuple[int, int]:
        """etcd's revision of the last whole transaction, and its number; zeros before the first one.

        ``then``: as of this revision of etcd, 0: now.
        """
        for _, number, at in self._keys.read(one(self._head_key, then)):
            return at, int(number)
        return 0, 0

    def _move_head(self, number: int) -> list[Request]:
        """What comes last in a transaction."""
        return [put(self._head_key, str(number)), delete(self._torn_key)]

    def _guarded(self, lock: EtcdLock, operations: Sequence[Request]) -> None:
        """In one go, if the lock is still ours."""
        if self._keys.commit([lock.compare], operations) is None:
            raise StoreError(
                f"{self.location}: the right to change it expired, as etcd or this machine was too slow; nothing was"
                " changed; try again"
            )

    def _in_chunks(self, lock: EtcdLock, operations: Sequence[Request]) -> None:
        for chunk in _chunks(operations):
            self._guarded(lock, chunk)

    def _heal(self, lock: EtcdLock) -> tuple[int, int]:
        """Take back what was written beyond the head, and return that."""
        at, number = self._head()
        if not any(True for _ in self._keys.read(one(self._torn_key))):
            return at, number
        beyond = {**below(self._data), "min_mod_revision": at + 1, "keys_only": True}
        torn = [key for key, _, _ in self._keys.read(beyond)]
        former = self._view(at, number).get_many(key.removeprefix(self._data) for key in torn)
        self._in_chunks(lock, [put(key, former.get(key.removeprefix(self._data), TOMBSTONE)) for key in torn])
        self._guarded(lock, self._move_head(number))
        return self._head()

    def _renew(self, lock: EtcdLock, oldest: int = 0) -> tuple[int, int]:
        """What is whole, at a revision that etcd has not forgotten, and that is not before ``oldest``."""
        at, number = self._heal(lock)
        if at and (at < oldest or self._is_compacted(at)):
            self._guarded(lock, self._move_head(number))
            return self._head()
        return at, number

    def _store(self, lock: EtcdLock, changes: Mapping[str, str | None], number: int) -> None:
        changed = {self._data + key: value for key, value in changes.items()}
        operations = [delete(key) if value is None else put(key, value) for key, value in changed.items()]
        operations += self._move_head(number)
        if len(list(_chunks(operations))) == 1:
            self._complete(lock, operations, number)
            return
        self._guarded(lock, [put(self._torn_key, "")])
        self._in_chunks(
            lock, [put(key, TOMBSTONE if value is None else value) for key, value in changed.items()]
        )
        self._complete(lock, self._move_head(number), number)
        with contextlib.suppress(StoreError, *FAILURES):  # nobody sees the difference
            self._in_chunks(lock, [delete(key) for key, value in changed.items() if value is None])

    def _complete(self, lock: EtcdLock, operations: Sequence[Request], number: int) -> None:
        """The request that moves the head, whose answer may get lost."""
        try:
            self._guarded(lock, operations)
        except FAILURES as error:
            stored = self._is_stored(lock, number)
            if stored is None:
                raise StoreError(
                    f"{self.location}: {_explain(error)}; the change may be stored all the same: see `opentep log`"
                ) from None
            if not stored:
                raise

    def _is_stored(self, lock: EtcdLock, number: int) -> bool | None:
        """Whether transaction ``number`` is, from now on for ever; ``None`` if that cannot be told."""
        try:
            then = lock.give_up()
            _, found = self._head(then or 0)
        except FAILURES:
            return None
        if then is None and found >= number:
            return None  # somebody else had the lock since, and may have stored another one of this number
        return found == number

    @contextlib.contextmanager
    def view(self) -> Iterator[EtcdView]:
        with self._explained():
            at, number = self._head()
            if at and self._is_compacted(at):
                with self._locked() as lock:
                    at, number = self._renew(lock)
            yield self._view(at, number)

    def _is_compacted(self, at: int) -> bool:
        try:
            self._keys.post("/kv/range", one(self._head_key, at))
        except exceptions.Etcd3Exception as error:
            if "compacted" in (error.detail_text or ""):
                return True
            raise
        return False

    @contextlib.contextmanager
    def _locked(self) -> Iterator[EtcdLock]:
        lock = EtcdLock(self._keys, self.lock_key, self._connect())
        try:
            if not lock.acquire(_BUSY_SECONDS):
                raise StoreError(
                    f"{self.location}: somebody has been changing it for {_BUSY_SECONDS:.0f} s; try again"
                )
            yield lock
        finally:
            lock.release()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Overlay]:
        with self._explained(), self._locked() as lock:
            transaction = Overlay(self._view(*self._renew(lock)))
            yield transaction
            if transaction.changes:
                self._store(lock, transaction.changes, transaction.revision + 1)

    def note(self, key: str, value: str | None) -> None:
        with self._explained():
            if value is None:
                self._keys.client.delete(self._notes + key)
            else:
                self._keys.client.put(self._notes + key, value)
            self._noted += 1
            if self._noted % _NOTES_KEPT == 0:
                self._compact()

    def _compact(self) -> None:
        """Let etcd forget what notes were: it keeps every value that a key had. A view that is older than the
        compaction before this one fails.

        The head is moved before: what a controller that died left beyond it can be taken back only as long as etcd
        knows what was there.
        """
        answer = self._keys.post("/kv/range", one(self._head_key))
        forgotten, self._compactable = self._compactable, int(answer["header"]["revision"])
        if not forgotten:
            return
        with contextlib.suppress(StoreError, *FAILURES):  # somebody else has done it, or will
            if 0 < self._head()[0] < forgotten:
                with self._locked() as lock:
                    self._renew(lock, forgotten)
            self._keys.post("/kv/compaction", {"revision": forgotten})

    def notes(self, prefix: str) -> dict[str, str]:
        with self._explained():
            found = self._keys.read(below(self._notes + prefix))
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
        answer = self._keys.post("/kv/range", one(self._head_key))
        number = int(decode(answer["kvs"][0]["value"])) if "kvs" in answer else 0
        start = int(answer["header"]["revision"]) + 1
        path = urlsplit(self._keys.client.get_url("/watch")).path
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
        self._keys.client.session.close()
        if self._login is not None:
            self._login.close()


def _explain(error: Exception) -> str:
    detail = getattr(error, "detail_text", None) or str(error)
    if isinstance(error, LoginError) or any(reason in detail for reason in _FORBIDDEN):
        return f"etcd refuses it: {detail}; remedy: see which user you are, and what it may do"
    if type(error) is exceptions.Etcd3Exception:
        return f"etcd cannot do it: {detail}; remedy: see etcd's log"
    tls = re.search(r"""SSL\w*Error\(\d+, (["'])(?:\[[^]]*] )?(.*?)(?: \(_ssl\.c:\d+\))?\1""", detail)
    if tls:
        remedy = (
            "see that it runs with TLS, that its certificate names this host and is signed by cacert, and that"
            " cert and key are a pair that it trusts, all in PEM"
        )
        return f"no TLS with etcd: {tls[2]}; remedy: {remedy}"
    # Of what urllib3 says, the innermost cause.
    cause = re.search(r"\[Errno [-\d]+\] ([^'\")]+)", detail) or re.search(r"Caused by (.*)\)$", detail)
    return f"no answer of etcd: {cause[1] if cause else detail}; remedy: see that it runs"


def _chunks(operations: Sequence[Request]) -> Iterator[list[Request]]:
    """As many at a time as etcd takes."""
    chunk: list[Request] = []
    octets = 0
    for operation in operations:
        size = sum(len(text) for part in operation.values() for text in part.values())
        if chunk and (len(chunk) == OPERATIONS or octets + size > _CHUNK_OCTETS):
            yield chunk
            chunk, octets = [], 0
        chunk.append(operation)
        octets += size
    if chunk:
        yield chunk
