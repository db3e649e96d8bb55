"""Mistakes in a fabric document, with the place where the user finds them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["FabricError", "KeyPath", "Problem", "format_path"]

KeyPath = tuple[str | int, ...]
"""Keys from the root of the document down to a value; list elements by number."""


def format_path(path: KeyPath) -> str:
    """``("teps", "rack1", "sources", 0)`` as ``teps.rack1.sources[0]``."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text or "(document)"


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: where it is, what is wrong, and how to put it right."""

    line: int
    """1-based; 0 if the mistake is the document as a whole."""
    column: int
    """1-based."""
    path: str
    message: str
    remedy: str
    file: str = ""
    keys: KeyPath = field(default=(), compare=False)
    """``path`` for programs."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        what = "" if self.path == "(document)" and not self.line else f"{self.path}: "
        return f"{place}: {what}{self.message}\n    fix: {self.remedy}"

    def as_dict(self) -> dict[str, str | int]:
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "message": self.message,
            "remedy": self.remedy,
        }


class FabricError(Exception):
    """A document that cannot be used, with all its problems in document order."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(sorted(set(problems)))
        if not self.problems:
            raise ValueError("a FabricError needs at least one problem")
        super().__init__("\n".join(map(str, self.problems)))
