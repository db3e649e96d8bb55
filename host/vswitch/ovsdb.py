"""Client for the Open vSwitch Database protocol (RFC 7047): transactions over a Unix or TCP socket."""

import itertools
import json
import socket
from types import TracebackType
from typing import Any

from .base import VSwitchError

__all__ = ["Ovsdb", "as_map", "as_set", "to_map", "to_set"]

Row = dict[str, Any]


def to_set(values: list[Any]) -> list[Any]:
    """RFC 7047, 5.1: a set of atoms."""
    return ["set", values]


def to_map(values: dict[str, str]) -> list[Any]:
    """RFC 7047, 5.1: a map."""
    return ["map", [[key, value] for key, value in values.items()]]


def as_set(value: Any) -> list[Any]:
    """Elements of a column that is a set: one element may stand for itself."""
    return list(value[1]) if isinstance(value, list) and value[0] == "set" else [value]


def as_map(value: Any) -> dict[str, str]:
    return dict(value[1])


def _connect_unix(path: str, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


class Ovsdb:
    """A connection to an OVSDB server. ``target`` is ``unix:PATH`` or ``tcp:HOST:PORT``.

    Every failure is a :class:`VSwitchError`.
    """

    def __init__(self, target: str, *, timeout: float = 10.0):
        self.target = target
        self._decoder = json.JSONDecoder()
        self._buffer = ""
        self._ids = itertools.count(1)
        kind, _, place = target.partition(":")
        try:
            if kind == "unix":
                self._socket = _connect_unix(place, timeout)
            else:
                host, _, port = place.rpartition(":")
                self._socket = socket.create_connection((host.strip("[]"), int(port)), timeout)
        except OSError as error:
            raise VSwitchError(
                f"cannot reach Open vSwitch at {target}: {error.strerror or error}; is ovsdb-server running?"
            ) from None

    def __enter__(self) -> "Ovsdb":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def transact(self, operations: list[Row], database: str = "Open_vSwitch") -> list[Row]:
        """Do all operations or none; their results in order."""
        number = next(self._ids)
        request = {"method": "transact", "params": [database, *operations], "id": number}
        try:
            self._socket.sendall(json.dumps(request).encode())
            reply = self._reply(number)
        except OSError as error:
            raise VSwitchError(f"lost Open vSwitch at {self.target}: {error.strerror or error}") from None
        if reply["error"] is not None:
            raise VSwitchError(f"Open vSwitch at {self.target} refuses: {reply['error']}")
        for result in reply["result"]:
            if result and "error" in result:
                raise VSwitchError(
                    f"Open vSwitch at {self.target} refuses: {result['error']}: {result.get('details', '')}"
                )
        return reply["result"]

    def select(self, table: str, columns: list[str]) -> list[Row]:
        """All rows of a table."""
        (result,) = self.transact([{"op": "select", "table": table, "where": [], "columns": columns}])
        return result["rows"]

    def _reply(self, number: int) -> dict[str, Any]:
        while True:
            message = self._message()
            if message.get("method") == "echo":
                answer = {"result": message["params"], "error": None, "id": message["id"]}
                self._socket.sendall(json.dumps(answer).encode())
            elif message.get("id") == number and "result" in message:
                return message

    def _message(self) -> dict[str, Any]:
        while True:
            text = self._buffer.lstrip()
            try:
                message, end = self._decoder.raw_decode(text)
            except ValueError:
                chunk = self._socket.recv(65536)
                if not chunk:
                    raise ConnectionResetError(0, "the server closed the connection") from None
                self._buffer = text + chunk.decode("utf-8", "surrogateescape")
                continue
            self._buffer = text[end:]
            return message
