"""What was built once, and where it is kept."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["cache_folder", "forget", "locked", "write_atomically"]


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/opentep``, by default below ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "opentep"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Exclusive among processes and threads; released by the kernel if the holder dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_atomically(path: Path, content: str | bytes) -> None:
    octets = content if isinstance(content, bytes) else content.encode()
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(octets)
    Path(file.name).replace(path)


def forget(entries: Iterable[Path], keep: int) -> None:
    """Remove all but the newest ``keep`` of ``entries``, files or folders. Others may be at it as well."""
    ages = []
    for entry in entries:
        with suppress(FileNotFoundError):
            ages.append((entry.stat().st_mtime, entry))
    for _, entry in sorted(ages, reverse=True)[keep:]:
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
