"""Which revision of the store a document on disk goes by."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

__all__ = ["WorkingCopy"]

_log = logging.getLogger(__name__)


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
        """From now on. A folder that cannot be written is warned of: what has been stored goes to TEPs all the same."""
        if revision != self.base(identity):
            found = {"store": identity, "revision": revision}
            try:
                self._path.write_text(json.dumps(found) + "\n", encoding="utf-8")
            except OSError as error:
                _log.warning(
                    "%s cannot be written (%s): the next command may take these changes for those of others;"
                    " remedy: see to its rights, or use --force then",
                    self._path,
                    error.strerror,
                )
