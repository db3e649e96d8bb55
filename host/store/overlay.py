"""Changes on top of a view that does not know of them."""

from collections.abc import Iterable, Iterator

from .base import View

__all__ = ["Overlay"]


class Overlay:
    """A :class:`~opentep.host.store.base.Transaction` that is never stored by itself."""

    def __init__(self, view: View):
        self._view = view
        self.changes: dict[str, str | None] = {}
        """``None``: deleted."""

    @property
    def revision(self) -> int:
        return self._view.revision

    def get(self, key: str) -> str | None:
        return self.changes[key] if key in self.changes else self._view.get(key)

    def get_many(self, keys: Iterable[str]) -> dict[str, str]:
        keys = list(keys)
        found: dict[str, str | None] = dict(
            self._view.get_many(key for key in keys if key not in self.changes)
        )
        found.update((key, self.changes[key]) for key in keys if key in self.changes)
        return {key: value for key, value in found.items() if value is not None}

    def scan(self, prefix: str) -> Iterator[tuple[str, str]]:
        yield from self._changed(prefix, self._view.scan(prefix))

    def scan_many(self, prefixes: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
        found = self._view.scan_many(prefixes)
        return {prefix: list(self._changed(prefix, entries)) for prefix, entries in found.items()}

    def _changed(self, prefix: str, entries: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """``entries``, all that begin with ``prefix``, as they are now."""
        found: dict[str, str | None] = dict(entries)
        if any(key.startswith(prefix) for key in self.changes):
            found.update((key, value) for key, value in self.changes.items() if key.startswith(prefix))
            found = dict(sorted(found.items(), key=lambda entry: entry[0].encode()))
        yield from ((key, value) for key, value in found.items() if value is not None)

    def put(self, key: str, value: str) -> None:
        self.changes[key] = value

    def delete(self, key: str) -> None:
        self.changes[key] = None
