"""The right to change what is in etcd."""

import contextlib
import threading
import time

from etcd3gw.client import Etcd3Client

from .keys import FAILURES, EtcdKeys, Request, delete, encode, put

__all__ = ["EtcdLock"]

_LEASE_SECONDS = 5
"""How long a controller that died holds others up."""
_POLL_SECONDS = 0.05


class EtcdLock:
    """The right that whoever has made ``key`` has, for as long as its lease is kept alive: by a thread of its own, over
    a connection of its own, ``client``."""

    def __init__(self, keys: EtcdKeys, key: str, client: Etcd3Client):
        self._keys = keys
        self._key = key
        self._client = client
        self._done = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._lease = client.lease(_LEASE_SECONDS)
        self.compare: Request = {}
        """Holds as long as the lock does."""

    def acquire(self, seconds: float) -> bool:
        """Whether nobody else had it for so long."""
        self._keeper.start()  # waiting may take longer than the lease lasts
        free = {"key": encode(self._key), "target": "CREATE", "result": "EQUAL", "create_revision": 0}
        end = time.monotonic() + seconds
        while (revision := self._keys.commit([free], [put(self._key, "", lease=self._lease.id)])) is None:
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_SECONDS)
        self.compare = {**free, "create_revision": revision}
        return True

    def _keep(self) -> None:
        while not self._done.wait(_LEASE_SECONDS / 3):
            # Whatever it is, also an answer that is none: it shows when the transaction compares the lock.
            with contextlib.suppress(Exception):
                self._lease.refresh()

    def give_up(self) -> int | None:
        """Before the end; a request that is still on its way comes too late. etcd's revision since when that is so,
        ``None`` if the lock was lost before."""
        return self._keys.commit([self.compare], [delete(self._key)])

    def release(self) -> None:
        self._done.set()
        if self._keeper.is_alive():
            self._keeper.join()
        with contextlib.suppress(*FAILURES):
            self._lease.revoke()
        self._client.session.close()
