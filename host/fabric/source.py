"""YAML text as plain data, together with the line and column of every key and value.

Scalars follow the core schema of YAML 1.2, not YAML 1.1: ``12:34:56`` stays text rather than becoming a
number in base 60, and ``on`` and ``no`` are words.
"""

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from .errors import FabricError, KeyPath, Problem, format_path

__all__ = ["Source", "read_file", "read_source"]

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null", "Null", "NULL")

_MAX_DEPTH = 50
"""No fabric document nests deeper; guards against aliases that contain themselves."""
_MAX_REPEATED = 1 << 20
"""Values that aliases may stand for; guards against aliases of aliases of aliases."""
_MAX_DIGITS = 100
"""No number that a document may have is longer."""


def _is_text(text: str) -> bool:
    """Whether it can be written. Escapes of YAML and JSON can name halves of surrogate pairs, which cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass
class Source:
    """A parsed document and where its parts stand."""

    file: str
    data: Any = None
    root: yaml.Node | None = None
    """Knows the places; looked at only when there is something to say about one."""

    def problem(self, path: KeyPath, message: str, remedy: str, *, key: bool = False) -> Problem:
        """Describe a mistake at ``path``: at its value, or with ``key`` at the key itself.

        A path that does not exist in the document stands for its nearest ancestor.
        """
        node, at_key, found = self.root, None, 0
        for step in path:
            inside = _child(node, step)
            if inside is None:
                break
            at_key, node = inside
            found += 1
        if at_key is not None and (key or found < len(path)):
            node = at_key
        line, column = _place(node) if node is not None else (0, 0)
        return Problem(line, column, format_path(path), message, remedy, self.file, path)


def _place(node: yaml.Node) -> tuple[int, int]:
    """Line and column, 1-based."""
    return node.start_mark.line + 1, node.start_mark.column + 1


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
    """Key, if it has one, and value of what is called ``step`` in ``node``."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None


class _Builder:
    def __init__(self, file: str, characters: int):
        self.file = file
        self.problems: list[Problem] = []
        self._room = characters + _MAX_REPEATED  # whatever stands there itself takes a character or more

    def _report(self, path: KeyPath, node: yaml.Node, message: str, remedy: str) -> None:
        self.problems.append(Problem(*_place(node), format_path(path), message, remedy, self.file))

    def _refuse(self, path: KeyPath, node: yaml.Node, message: str, remedy: str) -> NoReturn:
        """What comes after this is not worth looking at."""
        self._report(path, node, message, remedy)
        raise FabricError(self.problems)

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self._room -= 1
        if len(path) > _MAX_DEPTH:
            self._refuse(path, node, "nested too deeply", "remove the alias that contains itself")
        if self._room < 0:
            self._refuse(path, node, "too much by way of aliases", "use fewer, or none")
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
                self._report(path, key_node, "a key must be a plain word", "write the key as text")
                continue
            key = key_node.value
            here = (*path, key)
            self._check_text(key_node, here)
            if key in result:
                first = next(_place(other)[0] for other, _ in node.value if other.value == key)
                self._report(
                    here,
                    key_node,
                    f"duplicate key '{key}', first given in line {first}",
                    "remove or rename one of the two",
                )
                continue
            result[key] = self.build(value_node, here)
        return result

    def _check_text(self, node: yaml.ScalarNode, path: KeyPath) -> None:
        if node.style == '"' and not _is_text(node.value):
            self._report(path, node, "half of a surrogate pair is no character", "write the character itself")

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        self._check_text(node, path)
        if node.tag not in ("tag:yaml.org,2002:str", "!") and not node.tag.startswith("tag:yaml.org,2002:"):
            self._report(path, node, f"unknown YAML tag {node.tag}", "remove the tag")
        text = node.value
        if node.style:  # quoted, or a block
            return text
        if _INTEGER.fullmatch(text):
            if len(text) > _MAX_DIGITS:
                message = f"a number of {len(text):,} digits"
                self._report(path, node, message, "give a smaller one, or text in quotes")
                return None
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


def _compose(text: str | bytes) -> yaml.Node | None:
    """Only composed, never constructed: no object of the document's choosing is ever made.

    By libyaml, where PyYAML has it, several times faster. What is wrong is said by PyYAML itself, the same everywhere.
    """
    if yaml.__with_libyaml__:
        with contextlib.suppress(yaml.YAMLError):
            return yaml.compose(text, Loader=yaml.CSafeLoader)
    return yaml.compose(text, Loader=yaml.SafeLoader)


def read_source(text: str | bytes, file: str) -> Source:
    """Parse YAML text; raises :class:`FabricError` for bad syntax and duplicate keys."""
    try:
        node = _compose(text)
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
    builder = _Builder(file, len(text))
    data = builder.build(node, ())
    if builder.problems:
        raise FabricError(builder.problems)
    return Source(file, data, node)


def read_file(path: Path) -> Source:
    """Read and parse a document; a file that cannot be read is an error like any other."""
    try:
        return read_source(path.read_bytes(), str(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise FabricError(
            [Problem(0, 0, "(document)", f"cannot read: {reason}", "check the path given", str(path))]
        ) from None
