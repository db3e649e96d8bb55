"""Command line options from the JSON Schema of fabric documents."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import click
from opentep.host.fabric.errors import FabricError
from opentep.host.fabric.source import read_source
from opentep.host.fabric.validate import load_schema

__all__ = ["given_values", "schema_option"]


class _Number(click.ParamType):
    """Also hexadecimal, as in documents."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return int(str(value), 0)
        except ValueError:
            self.fail(f"'{value}' is not a whole number", param, ctx)


class _Flow(click.ParamType):
    """A mapping, as in documents."""

    name = "yaml"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return read_source(value, "").data
        except FabricError as error:
            self.fail(f"{error.problems[0].message}; write it as in a document: '{{key: value}}'", param, ctx)


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return {**load_schema()["$defs"][reference.rsplit("/", 1)[1]], **schema} if reference else schema


def schema_option(name: str, schema: dict[str, Any]) -> Callable[[Any], Any]:
    """The option for a key of an object."""
    schema = _resolved(schema)
    text = re.sub(r"'([\w.:/-]+)'", r"\1", schema.get("description", ""))
    flag = name.replace("_", "-")
    if schema.get("type") == "boolean":
        return click.option(f"--{flag}/--no-{flag}", name, default=None, help=text)
    if schema.get("type") == "array" and _resolved(schema["items"]).get("type") in ("string", "integer"):
        return click.option(f"--{flag}", name, metavar="A,B,...", help=text)
    kind: Any = str
    if "enum" in schema:
        kind = click.Choice(schema["enum"])
    elif schema.get("type") == "integer":
        kind = _Number()
    elif schema.get("type") != "string":
        kind = _Flow()
    return click.option(f"--{flag}", name, type=kind, help=text)


def given_values(properties: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """What the user gave of the keys in ``properties``, as in a document."""
    given = {}
    for name, value in options.items():
        if value is None or name not in properties:
            continue
        schema = _resolved(properties[name])
        if schema.get("type") == "array" and isinstance(value, str):
            numbers = _resolved(schema["items"]).get("type") == "integer"
            convert = _Number() if numbers else click.STRING
            value = [convert.convert(part.strip(), None, None) for part in value.split(",") if part.strip()]
        given[name] = value
    return given
