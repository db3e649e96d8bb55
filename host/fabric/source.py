"""YAML text as plain data, together with the line and column of every key and value.

Scalars follow the core schema of YAML 1.2, not YAML 1.1: ``12:34:56`` stays text rather than becoming a
number in base 60, and ``on`` and ``no`` are words.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .errors import FabricError, KeyPath, Problem, format_path

__all__ = ["Source", "read_file", "read_source"]

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null", "Null", "NULL")

_MAX_DEPTH = 50
"""No fabric document nests deeper; guards against aliases that contain themselves."""


@dataclass
class Source:
    """A parsed document and where its parts stand."""

    file: str
    data: Any = None
    values: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    """Line and column (1-based) of every value."""
    keys: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    """Line and column of every key of a mapping, under the path of its value."""

    def problem(self, path: KeyPath, message: str, remedy: str, *, key: bool = False) -> Problem:
        """Describe a mistake at ``path``: at its value, or with ``key`` at the key itself.

        A path that does not exist in the document stands for its nearest ancestor.
        """
        at = path
        while at and at not in self.values:
            at = at[:-1]
        at_key = self.keys.get(at) if key or at != path else None
        line, column = at_key or self.values.get(at, (1, 1))
        return Problem(line, column, format_path(path), message, remedy, self.file)


class _Builder:
    def __init__(self, source: Source):
        self.source = source
        self.problems: list[Problem] = []

    def _report(self, path: KeyPath, mark: yaml.Mark, message: str, remedy: str) -> None:
        place = (mark.line + 1, mark.column + 1)
        self.problems.append(Problem(*place, format_path(path), message, remedy, self.source.file))

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self.source.values[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if len(path) > _MAX_DEPTH:
            self._report(path, node.start_mark, "nested too deeply", "remove the alias that contains itself")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode), "the three kinds of node there are"
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(path, key_node.start_mark, "a key must be a plain word", "write the key as text")
                continue
            key = key_node.value
            here = (*path, key)
            if key in result:
                first = self.source.keys[here][0]
                self._report(
                    here,
                    key_node.start_mark,
                    f"duplicate key '{key}', first given in line {first}",
                    "remove or rename one of the two",
                )
                continue
            self.source.keys[here] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            result[key] = self.build(value_node, here)
        return result

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        if node.tag not in ("tag:yaml.org,2002:str", "!") and not node.tag.startswith("tag:yaml.org,2002:"):
            self._report(path, node.start_mark, f"unknown YAML tag {node.tag}", "remove the tag")
        text = node.value
        if node.style is not None:
            return text
        if _INTEGER.fullmatch(text):
            return int(text, 0)
        if text in _NULLS:
            return None
        return _WORDS.get(text, text)


def _syntax_problem(file: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    message = getattr(error, "problem", None) or str(error)
    if "'\\t'" in message:
        remedy = "indent with spaces, not tabs"
    elif "mapping values are not allowed" in message or "expected <block end>" in message:
        remedy = "check the indentation, and quote values that contain ': ' or end with ':'"
    elif isinstance(error, yaml.reader.ReaderError):
        remedy = "save the file as UTF-8 text"
    else:
        remedy = "check brackets, quotes and indentation near this place"
    return Problem(line, column, "(document)", f"not valid YAML: {message}", remedy, file)


def read_source(text: str | bytes, file: str) -> Source:
    """Parse YAML text; raises :class:`FabricError` for bad syntax and duplicate keys."""
    source = Source(file)
    try:
        # Only composed, never constructed: no object of the document's choosing is ever made.
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError:
        raise FabricError(
            [Problem(1, 1, "(document)", "nested too deeply", "a fabric needs few levels", file)]
        ) from None
    except yaml.YAMLError as error:
        raise FabricError([_syntax_problem(file, error)]) from None
    if node is None:
        raise FabricError(
            [Problem(1, 1, "(document)", "the document is empty", "start with 'version: 1'", file)]
        )
    builder = _Builder(source)
    source.data = builder.build(node, ())
    if builder.problems:
        raise FabricError(builder.problems)
    return source


def read_file(path: Path) -> Source:
    """Read and parse a document; a file that cannot be read is an error like any other."""
    try:
        return read_source(path.read_bytes(), str(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise FabricError(
            [Problem(0, 0, "(document)", f"cannot read: {reason}", "check the path given", str(path))]
        ) from None
