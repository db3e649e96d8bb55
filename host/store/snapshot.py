"""What etcd held at one of its revisions."""

from collections.abc import Iterable, Iterator

from .keys import EtcdKeys, Request, below, one

__all__ = ["TOMBSTONE", "EtcdView"]

TOMBSTONE = "\0"
"""A value that stands for none. What is gone has no revision to be told by."""


class EtcdView:
    """A :class:`~opentep.host.store.base.View` of the keys below ``root`` as they were at etcd's revision ``at``; of
    none if that is 0."""

    def __init__(self, keys: EtcdKeys, root: str, at: int, revision: int):
        self._keys = keys
        self._root = root
        self._at = at
        self.revision = revision

    def get(self, key: str) -> str | None:
        return dict(self._read(one(self._root + key, self._at))).get(key)

    def get_many(self, keys: Iterable[str]) -> dict[str, str]:
        if not self._at:
            return {}
        asked = [one(self._root + key, self._at) for key in keys]
        found = (entry for entries in self._keys.read_many(asked) for entry in entries or ())
        return dict(self._present(found))

    def scan(self, prefix: str) -> Iterator[tuple[str, str]]:
        yield from self._read(below(self._root + prefix, self._at))

    def scan_many(self, prefixes: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
        wanted = list(prefixes)
        if not self._at:
            return {prefix: [] for prefix in wanted}
        answers = self._keys.read_many([below(self._root + prefix, self._at) for prefix in wanted])
        return {
            prefix: list(self.scan(prefix) if entries is None else self._present(entries))
            for prefix, entries in zip(wanted, answers, strict=True)
        }

    def _read(self, request: Request) -> Iterator[tuple[str, str]]:
        if self._at:
            yield from self._present((key, value) for key, value, _ in self._keys.read(request))

    def _present(self, entries: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        return ((key.removeprefix(self._root), value) for key, value in entries if value != TOMBSTONE)
