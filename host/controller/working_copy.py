"""Which revision of the store a document on disk goes by."""

import json
from dataclasses import dataclass
from pathlib import Path

__all__ = ["WorkingCopy"]


@dataclass(frozen=True)
class WorkingCopy:
    """A document, and beside ``fabric.yaml`` the file ``.fabric.yaml.revision``, which remembers what it was made
    from, so that what others changed since is noticed."""

    document: Path

    @property
    def _path(self) -> Path:
        return self.document.with_name(f".{self.document.name}.revision")

    def base(self, identity: str) -> int:
        """The revision of the store ``identity``; 0 if nothing is known."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return int(found["revision"]) if found["store"] == identity else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def goes_by(self, identity: str, revision: int) -> None:
        """From now on."""
        if revision != self.base(identity):
            found = {"store": identity, "revision": revision}
            self._path.write_text(json.dumps(found) + "\n", encoding="utf-8")
