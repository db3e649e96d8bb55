"""Check of a document against the JSON Schema, with errors that a person can act on."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator, ValidationError, validators

from .errors import KeyPath, Problem
from .source import Source

__all__ = ["is_sound", "load_schema", "schema_problems", "suggest"]


_FEW = 30
"""Names that a message can list."""


@cache
def load_schema() -> dict[str, Any]:
    """The JSON Schema of ``fabric.yaml``, as shipped with the package."""
    return json.loads(files(__package__).joinpath("schema.json").read_text(encoding="utf-8"))


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    """JSON Schema's ``$`` is the very end; Python's is also in front of a last line feed."""
    if isinstance(instance, str) and not re.search(pattern.replace("$", r"\Z"), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


@cache
def _validator() -> Draft202012Validator:
    return validators.extend(Draft202012Validator, {"pattern": _pattern})(load_schema())


@cache
def _fast_validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(load_schema(), validate_formats=False)


def is_sound(data: Any) -> bool:
    """Whether ``data`` satisfies the schema: a yes or no, some fifty times faster than the reasons."""
    try:
        return _fast_validator().is_valid(data)
    except ValueError:
        return False  # what it cannot read, such as half of a surrogate pair, is for the other one to judge


def suggest(word: str, known: list[str]) -> str:
    """What to do about a ``word`` that should have been one of ``known``."""
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    if len(known) > _FEW:
        return f"use one of the {len(known)} there are"
    return f"use one of: {', '.join(known)}" if known else "define it first"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(value: Any) -> str:
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", int: "a number"}
    return kinds.get(type(value), "nothing")


_TYPES = {
    "object": "a mapping of keys and values",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
}


def _describe(source: Source, error: ValidationError) -> Iterator[Problem]:
    path: KeyPath = tuple(error.absolute_path)
    value: Any = error.instance
    schema = error.schema
    assert isinstance(schema, Mapping), "a rule stands in one"
    description = schema["description"]
    rule = error.validator
    if rule == "additionalProperties":
        known = sorted(schema["properties"])
        for key in value:
            if key not in schema["properties"]:
                yield source.problem(
                    (*path, key), f"unknown key '{key}' in {description}", suggest(key, known), key=True
                )
    elif rule == "required":
        missing = re.match(r"'(.*?)' is", error.message)
        key = missing.group(1) if missing else "?"
        wanted = schema.get("properties", {}).get(key, {})
        if "$ref" in wanted:
            wanted = load_schema()["$defs"][wanted["$ref"].rsplit("/", 1)[1]]
        yield source.problem(
            path, f"key '{key}' is missing", f"add '{key}': {wanted.get('description', '')}", key=True
        )
    elif rule == "type":
        wanted = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
        yield source.problem(
            path, f"expected {_TYPES[wanted]}, found {_kind(value)} ({_shown(value)})", f"give {description}"
        )
    elif error.parent is not None or "propertyNames" in error.absolute_schema_path:
        yield source.problem(
            (*path, str(value)), f"'{value}' is not a valid name", f"use {description}", key=True
        )
    elif rule in ("enum", "const"):
        options = schema.get("enum") or [schema["const"]]
        remedy = suggest(str(value), [str(option) for option in options])
        yield source.problem(path, f"{_shown(value)} is not possible here", remedy)
    elif rule in ("minimum", "maximum"):
        yield source.problem(path, f"{value} is out of range", f"give {description}")
    elif rule == "uniqueItems":
        yield source.problem(path, "an element is listed twice", "list every element once")
    elif rule in ("minItems", "minProperties", "minLength"):
        yield source.problem(path, "must not be empty", f"give {description}")
    else:
        yield source.problem(path, f"{_shown(value)} is not valid", f"give {description}")


def schema_problems(source: Source) -> list[Problem]:
    """Everything in which the document departs from the schema."""
    if is_sound(source.data):
        return []
    return [
        problem for error in _validator().iter_errors(source.data) for problem in _describe(source, error)
    ]
