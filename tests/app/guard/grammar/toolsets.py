"""Tool sets as published MCP servers have them: many tools, short schemas, long descriptions."""

import random
from typing import Any

_KINDS = ("string", "string", "string", "integer", "boolean", "array", "object", "enum", "date")


def tools(count: int, parameters: int, seed: int = 7) -> list[dict[str, Any]]:
    """OpenAI's form of `count` functions, each with this many parameters."""
    chosen = random.Random(seed)
    made = []
    for number in range(count):
        properties = {
            f"parameter_{number}_{index}": _property(chosen) for index in range(parameters)
        }
        schema = {
            "type": "object",
            "properties": properties,
            "required": list(properties)[:2],
            "additionalProperties": False,
        }
        function = {
            "name": f"tool_{number}",
            "description": "d" * chosen.randint(100, 300),
            "parameters": schema,
        }
        made.append({"type": "function", "function": function})
    return made


def _property(chosen: random.Random) -> dict[str, Any]:
    kind = chosen.choice(_KINDS)
    described: dict[str, Any] = {"description": "d" * chosen.randint(40, 120)}
    if kind == "enum":
        return described | {"type": "string", "enum": [f"value_{i}" for i in range(5)]}
    if kind == "array":
        return described | {"type": "array", "items": {"type": "string"}}
    if kind == "object":
        inner = {f"field_{i}": {"type": "string", "description": "d" * 40} for i in range(3)}
        return described | {"type": "object", "properties": inner}
    if kind == "date":
        return described | {"type": "string", "format": "date-time"}
    if kind == "integer":
        return described | {"type": "integer", "minimum": 1, "maximum": 100}
    return described | {"type": kind}


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "email": {"type": "string", "format": "email"},
        "age": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 150}, {"type": "null"}]},
        "code": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
        "kind": {"enum": ["a", "b", "c"]},
        "parent": {"$ref": "#/$defs/person"},
    },
    "required": ["name", "email"],
    "additionalProperties": False,
    "$defs": {"person": {"type": "object", "properties": {"name": {"type": "string"}}}},
}
"""A schema as pydantic makes them."""
