"""Client for the Open vSwitch Database protocol (RFC 7047): transactions and changes over a Unix or TCP socket."""

import codecs
import itertools
import json
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

__all__ = ["Ovsdb", "OvsdbError", "as_map", "as_set", "to_map", "to_set"]

Row = dict[str, Any]


class OvsdbError(Exception):
    """The database cannot be reached or refuses."""


def to_set(values: list[Any]) -> list[Any]:
    """RFC 7047, 5.1: a set of atoms."""
    return ["set", values]


def to_map(values: Mapping[Any, Any]) -> list[Any]:
    """RFC 7047, 5.1: a map."""
    return ["map", [[key, value] for key, value in values.items()]]


def as_set(value: Any) -> list[Any]:
    """Elements of a column that is a set: one element may stand for itself."""
    return list(value[1]) if isinstance(value, list) and value[0] == "set" else [value]


def as_map(value: Any) -> dict[Any, Any]:
    """Pairs of a column that is a map."""
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
    """A connection to a ``database`` of an OVSDB server. ``target`` is ``unix:PATH`` or ``tcp:HOST:PORT``.

    Every failure is an :class:`OvsdbError`.
    """

    def __init__(self, target: str, database: str = "Open_vSwitch", *, timeout: float = 10.0):
        self.target = target
        self.database = database
        self._timeout = timeout
        self._changed = False
        self._decoder = json.JSONDecoder()
        self._characters = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._buffer = ""
        self._ids = itertools.count(1)
        kind, _, place = target.partition(":")
        try:
            if kind == "unix":
                self._socket = _connect_unix(place, timeout)
            else:
                host, _, port = place.rpartition(":")
                self._socket = socket.create_connection((host.strip("[]"), int(port)), timeout)
        except (OSError, ValueError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OvsdbError(
                f"cannot reach {database} at {target}: {reason}; is ovsdb-server running?"
            ) from None

    def __enter__(self) -> "Ovsdb":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def transact(self, operations: list[Row]) -> list[Row]:
        """Do all operations or none; their results in order."""
        results: list[Row] = self._call("transact", [self.database, *operations])
        for result in results:
            if result and "error" in result:
                raise OvsdbError(
                    f"{self.database} at {self.target} refuses: {result['error']}: {result.get('details', '')}"
                )
        return results

    def select(self, tables: Mapping[str, list[str]]) -> dict[str, list[Row]]:
        """All rows of tables, with these columns, as they are at one moment."""
        results = self.transact(
            [
                {"op": "select", "table": table, "where": [], "columns": names}
                for table, names in tables.items()
            ]
        )
        return {table: result["rows"] for table, result in zip(tables, results, strict=True)}

    def watch(self, tables: Mapping[str, list[str]]) -> None:
        """Have the server tell of changes of these columns, by table, for :meth:`changed`."""
        select = {"initial": False}
        requests = {table: {"columns": columns, "select": select} for table, columns in tables.items()}
        self._call("monitor", [self.database, None, requests])

    def changed(self, timeout: float) -> bool:
        """Whether something that is watched has changed since the last call; waits for it up to ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        try:
            while not self._changed and (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                self._notified(self._message())
        except TimeoutError:
            pass
        except OSError as error:
            raise self._lost(error) from None
        finally:
            self._socket.settimeout(self._timeout)
        changed, self._changed = self._changed, False
        return changed

    def _call(self, method: str, parameters: list[Any]) -> Any:
        number = next(self._ids)
        try:
            self._send({"method": method, "params": parameters, "id": number})
            while (reply := self._message()).get("id") != number or "result" not in reply:
                self._notified(reply)
        except OSError as error:
            raise self._lost(error) from None
        if reply["error"] is not None:
            raise OvsdbError(f"{self.database} at {self.target} refuses: {reply['error']}")
        return reply["result"]

    def _notified(self, message: dict[str, Any]) -> None:
        """What the server says unasked."""
        if message.get("method") == "echo":
            self._send({"result": message["params"], "error": None, "id": message["id"]})
        elif message.get("method") == "update":
            self._changed = True

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(message).encode())

    def _lost(self, error: OSError) -> OvsdbError:
        return OvsdbError(f"lost {self.database} at {self.target}: {error.strerror or error}")

    def _message(self) -> dict[str, Any]:
        while True:
            # What does not end like a message is not looked at: long ones come in many parts.
            if self._buffer.rstrip().endswith("}"):
                text = self._buffer.lstrip()
                with suppress(ValueError):
                    message, end = self._decoder.raw_decode(text)
                    self._buffer = text[end:]
                    return message
            chunk = self._socket.recv(1 << 20)
            if not chunk:
                raise ConnectionResetError(0, "the server closed the connection")
            self._buffer += self._characters.decode(chunk)
