"""Keys of an etcd and their values, as text, by its JSON gateway."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import requests
from etcd3gw import exceptions
from etcd3gw.client import Etcd3Client

__all__ = [
    "FAILURES",
    "OPERATIONS",
    "EtcdKeys",
    "Request",
    "below",
    "decode",
    "delete",
    "encode",
    "one",
    "put",
]

Request = dict[str, Any]

FAILURES = (exceptions.Etcd3Exception, requests.RequestException)
"""What a request to etcd may end with."""
OPERATIONS = 100
"""That etcd takes at once; by its own defaults 128."""
_PAGE = 2000
"""Keys per answer."""


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def decode(text: str) -> str:
    return base64.b64decode(text).decode()


def one(key: str, at: int = 0) -> Request:
    """To read ``key`` as of etcd's revision ``at``, 0: now."""
    return {"key": encode(key), "revision": at}


def below(prefix: str, at: int = 0) -> Request:
    """To read all keys that begin with ``prefix``."""
    beyond = bytearray(prefix.encode())
    beyond[-1] += 1  # UTF-8 has no octet 255
    return {**one(prefix, at), "range_end": base64.b64encode(beyond).decode()}


def put(key: str, value: str, **options: Any) -> Request:
    return {"request_put": {"key": encode(key), "value": encode(value), **options}}


def delete(key: str) -> Request:
    return {"request_delete_range": {"key": encode(key)}}


def _entry(found: dict[str, str]) -> tuple[str, str]:
    return decode(found["key"]), decode(found.get("value", ""))


class EtcdKeys:
    """What is asked over one connection. Everything may raise :data:`FAILURES`."""

    def __init__(self, client: Etcd3Client):
        self.client = client

    def post(self, path: str, request: Request) -> dict[str, Any]:
        return self.client.post(self.client.get_url(path), json=request)

    def read(self, request: Request) -> Iterator[tuple[str, str, int]]:
        """Keys, values and the revisions that changed them, page by page."""
        while True:
            answer = self.post("/kv/range", {**request, "limit": _PAGE})
            found = answer.get("kvs", [])
            for entry in found:
                yield *_entry(entry), int(entry["mod_revision"])
            if not answer.get("more"):
                return
            last = base64.b64decode(found[-1]["key"]) + b"\0"
            request = {**request, "key": base64.b64encode(last).decode()}

    def read_many(self, requests: Sequence[Request]) -> Iterator[list[tuple[str, str]] | None]:
        """Keys and values for each of them, many with a request; ``None`` for more than a page."""
        for start in range(0, len(requests), OPERATIONS):
            part = [
                {"request_range": {**request, "limit": _PAGE}}
                for request in requests[start : start + OPERATIONS]
            ]
            for response in self.post("/kv/txn", {"success": part})["responses"]:
                answer = response["response_range"]
                yield None if answer.get("more") else list(map(_entry, answer.get("kvs", ())))

    def commit(self, compare: Sequence[Request], operations: Sequence[Request]) -> int | None:
        """etcd's revision after ``operations``, ``None`` if ``compare`` did not hold."""
        answer = self.post("/kv/txn", {"compare": list(compare), "success": list(operations)})
        return int(answer["header"]["revision"]) if answer.get("succeeded") else None
