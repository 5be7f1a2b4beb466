"""Results as JSON, and the JSON Schema that describes them: both derived from the core's own dataclasses."""

from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, TypeAlias
from uuid import UUID

import pydantic_core
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
PLAIN = frozenset((str, int, float, bool, type(None)))


class ShortSchema(GenerateJsonSchema):
    """Numbers are numbers, and names are said once: every word here is read by a model on every listing."""

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return _nameless(super().dataclass_schema(schema))

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        return _nameless(super().model_schema(schema))

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:  # noqa: ARG002
        return {"type": "number"}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002
        return False


def _nameless(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Without the name of the class, and its docstring, which speaks to programmers."""
    return {name: value for name, value in schema.items() if name not in ("title", "description")}


def schema_of(result_type: type) -> dict[str, Any]:
    """The JSON Schema of what to_json() makes of this dataclass: its fields, and those of the rows in its lists.

    It is read by models on every listing, and must be short: what lies deeper is named and not described. All fields
    are always there.
    """
    schema = TypeAdapter(result_type).json_schema(mode="serialization", schema_generator=ShortSchema)
    # The text of a prompt or a page, and the values of a completion, have no fields; and nobody lists them.
    return _object(schema, schema.get("$defs", {})) if "properties" in schema else schema


def _object(
    schema: JsonSchemaValue, definitions: dict[str, JsonSchemaValue], *, of_row: bool = False
) -> JsonSchemaValue:
    properties = {name: _field(field, definitions, of_row=of_row) for name, field in schema["properties"].items()}
    return {"type": "object", "properties": properties}


def _field(schema: JsonSchemaValue, definitions: dict[str, JsonSchemaValue], *, of_row: bool) -> JsonSchemaValue:
    schema = _definition(schema, definitions)
    if "anyOf" in schema:
        possible = [_field(one, definitions, of_row=of_row) for one in schema["anyOf"]]
        plain = [one for one in possible if set(one) == {"type"}]
        return {"type": [one["type"] for one in plain]} if plain == possible else {"anyOf": possible}
    if schema.get("type") == "object":
        return {"type": "object"}
    if schema.get("type") == "array" and "items" in schema:
        row = _definition(schema["items"], definitions)
        if "properties" in row and not of_row:
            return {"type": "array", "items": _object(row, definitions, of_row=True)}
        return {"type": "array"}
    return schema


def _definition(schema: JsonSchemaValue, definitions: dict[str, JsonSchemaValue]) -> JsonSchemaValue:
    return definitions[schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else schema


def to_json(value: object) -> Json:
    """A result as JSON values. Amounts keep their cents: a float prints the shortest text that means it."""
    if value is None or isinstance(value, str | int | float):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {name: to_json(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        # Most lists are rows, and most rows need no look at each of their values.
        return list(value) if PLAIN.issuperset(map(type, value)) else [to_json(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date | UUID):  # a moment too
        return value.isoformat() if isinstance(value, date) else str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def written(value: object) -> bytes:
    """The text of to_json(), in UTF-8."""
    return pydantic_core.to_json(to_json(value))


@cache
def _names(result_type: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(result_type))
