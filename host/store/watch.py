"""A number in etcd, as it grows, for as long as somebody wants to know."""

import base64
import http.client
import json
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

__all__ = ["Watch", "WatchError"]

_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
"""A machine that is gone is noticed after 25 seconds, without a word of etcd's."""


class WatchError(Exception):
    """etcd does not watch, or not any more."""


class Watch:
    """The number that ``key`` is, from etcd's revision ``start`` on; ``number`` is the one before.

    One request that lasts, read by a thread of its own, instead of one for each time that somebody waits.
    """

    def __init__(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        headers: Mapping[str, str],
        key: str,
        start: int,
        number: int,
    ):
        self._connection = connection
        self._number = number
        self._error: str | None = None
        self._told = threading.Condition()
        request = {
            "create_request": {"key": base64.b64encode(key.encode()).decode(), "start_revision": start}
        }
        try:
            self._connection.request(
                "POST", path, json.dumps(request), {"Content-Type": "application/json", **headers}
            )
            self._socket = self._connection.sock
            for level, option, value in _KEEPALIVE:
                self._socket.setsockopt(level, option, value)
            self._response = self._connection.getresponse()
            self._socket.settimeout(None)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise WatchError(str(error)) from None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait(self, beyond: int, timeout: float) -> int:
        """The number as soon as it is greater than ``beyond``, or after ``timeout`` seconds; raises
        :class:`WatchError` once nothing more will be told."""
        with self._told:
            self._told.wait_for(lambda: self._number > beyond or self._error is not None, timeout)
            if self._error is not None:
                raise WatchError(self._error)
            return self._number

    def close(self) -> None:
        """Wait no longer."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()

    def _read(self) -> None:
        error = "etcd closed the connection"
        try:
            while line := self._response.readline():
                if line.strip():
                    self._take(json.loads(line))
        except Exception as reason:  # whatever it is, it is told to whoever waits
            error = str(reason) or error
        finally:
            with self._told:
                self._error = error
                self._told.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        if "error" in message or message.get("result", {}).get("canceled"):
            raise WatchError(f"etcd: {message}")
        values = [event["kv"].get("value", "") for event in message["result"].get("events", ())]
        if values:
            with self._told:
                self._number = int(base64.b64decode(values[-1]))
                self._told.notify_all()
