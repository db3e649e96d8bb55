"""JSON of a client as a document has it: whole numbers, and text that can be written down."""

from typing import Any

from opentep.host.fabric.errors import FabricError, KeyPath
from opentep.host.fabric.source import Source

__all__ = ["as_document"]

_MAX_DEPTH = 50
"""As in a document; nothing that is one nests deeper."""


def as_document(value: Any, path: KeyPath = ()) -> Any:
    """``value``, with ``20.0`` as the integer that it is to JSON Schema. Raises :class:`FabricError`."""
    if len(path) > _MAX_DEPTH:
        raise _wrong(path, "nested too deeply", "send a document as `opentep schema` describes it")
    if isinstance(value, dict):
        for key in value:
            _check_text(key, path)
        return {key: as_document(inner, (*path, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_document(inner, (*path, index)) for index, inner in enumerate(value)]
    if isinstance(value, float):
        if not value.is_integer():
            raise _wrong(path, f"{value} is no whole number", "send a whole number")
        return int(value)
    if isinstance(value, str):
        _check_text(value, path)
    return value


def _check_text(text: str, path: KeyPath) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _wrong(path, "half a surrogate pair is no text", "send both halves, or UTF-8") from None


def _wrong(path: KeyPath, message: str, remedy: str) -> FabricError:
    return FabricError([Source("request").problem(path, message, remedy)])
