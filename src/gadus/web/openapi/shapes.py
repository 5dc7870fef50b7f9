"""JSON schemas, made of few kinds of values."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
SWITCH: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NANOSECONDS: Schema = {"type": "integer", "description": "nanoseconds since 1970"}
TIME: Schema = {"type": "string", "format": "date-time"}
ANYTHING: Schema = {}
MAP_OF_TEXT: Schema = {"type": "object", "additionalProperties": TEXT}


def words(*known: str) -> Schema:
    """One of these."""
    return {"type": "string", "enum": list(known)}


def numbers(description: str) -> Schema:
    """A number that stands for something."""
    return {"type": "integer", "minimum": 0, "description": description}


def list_of(item: Schema) -> Schema:
    """Any number of the same."""
    return {"type": "array", "items": item}


def or_null(schema: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(fields: dict[str, Schema], **sometimes: Schema) -> Schema:
    """An object that always has these fields, `sometimes` those, and perhaps others."""
    return {"type": "object", "properties": fields | sometimes, "required": list(fields)}


def named(name: str) -> Schema:
    """The schema of this name in the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def page_of(name: str) -> Schema:
    """A list as all routes give it."""
    return record({"NextToken": TEXT, "Items": list_of(named(name))})
