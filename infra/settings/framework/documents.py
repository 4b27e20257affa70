"""Renders documents from a settings model: the reference, the editors' schema, Pulumi's keys."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from infra.settings.framework.schema import Schema, allowed, description
from infra.settings.framework.secret_key import SecretKey

Secrets = Mapping[str, SecretKey]
Location = tuple[str | int, ...]

NAME = "<name>"
"""Stands for any key of an object whose keys are names."""

_UNITS = {
    "Seconds": "seconds",
    "Minutes": "minutes",
    "Gib": "GiB",
    "Gb": "GiB",
    "KibPerToken": "KiB per token",
    "Len": "tokens",
}


def tables(schema: Schema, secrets: Secrets) -> str:
    """Markdown: one table per object, in the order of the keys, and one of the secrets."""
    parts: list[str] = []
    for name in schema.keys_at():
        parts += _sections(schema, (name,))
    return "\n".join([*parts, _secrets(secrets)])


def _sections(schema: Schema, location: Location) -> Iterator[str]:
    node = schema.at(location)
    is_list = node.get("type") == "array"
    inner = (*location, 0) if is_list else location
    fields = schema.at(inner).get("properties", {})
    title = "rayline:" + ".".join(str(p) for p in location if p != 0)
    title += "[]" if is_list else ""
    required = schema.at(inner).get("required", ())
    rows = [_row(schema, (*inner, name), name in required) for name in fields]
    yield "\n".join(
        [
            f"{'#' * (2 if len(location) == 1 else 3)} {_cell(title)}",
            description(node),
            "",
            "| Key | Type | Default | Description |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )
    for name in fields:
        child = schema.at((*inner, name))
        items = schema.at((*inner, name, 0)) if child.get("type") == "array" else child
        if items.get("properties"):
            yield from _sections(schema, (*inner, name))
        elif schema.at((*inner, name, NAME)).get("properties"):
            yield from _sections(schema, (*inner, name, NAME))


def _row(schema: Schema, location: Location, required: bool) -> str:
    node = schema.at(location)
    default = "**required**" if required else _default(node)
    kind, text = _cell(_type(schema, location)), _cell(description(node))
    return f"| `{location[-1]}` | {kind} | {default} | {text} |"


def _type(schema: Schema, location: Location) -> str:
    node = schema.at(location)
    if node.get("type") == "array":
        items = schema.at((*location, 0))
        if "enum" in items:
            return "list of " + ", ".join(map(str, items["enum"]))
        return "list of objects" if items.get("properties") else "list of strings"
    if node.get("type") == "object":
        if schema.at((*location, NAME)).get("properties"):
            return "object: name to object, below"
        return "object, below" if node.get("properties") else "object: name to value"
    words = allowed({k: v for k, v in node.items() if k != "pattern"})
    words = words.removeprefix("a ").removeprefix("one of ")
    unit = next((u for end, u in _UNITS.items() if str(location[-1]).endswith(end)), None)
    return f"{words}; {unit}" if unit else words


def _default(node: Mapping[str, Any]) -> str:
    value = node.get("default")
    if node.get("properties") or value is None:
        return "-"
    return f"`{json.dumps(value)}`" if value not in ({}, []) else "empty"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _secrets(secrets: Secrets) -> str:
    rows = [
        f"| `rayline:{key.name}` | {_cell(key.description)} | `{key.command}` |"
        for key in secrets.values()
    ]
    return "\n".join(
        [
            "## Secrets",
            "Secrets have their own keys, which are encrypted and optional. rayline refuses a "
            "plain value for them (except for registryUsername), and an encrypted value for any "
            "other key.",
            "",
            "| Key | Description | Command |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def editor_schema(schema: Schema, secrets: Secrets) -> dict[str, Any]:
    """JSON schema of a whole Pulumi.<stack>.yaml, for editors."""
    whole = _lenient(schema.whole)
    keys = {f"rayline:{name}": node for name, node in whole["properties"].items()}
    keys |= {f"rayline:{key.name}": _secret_node(key) for key in secrets.values()}
    names = "|".join(key.removeprefix("rayline:") for key in keys)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack of rayline",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": keys,
                "patternProperties": {f"^rayline:(?!({names})$)": False},
                "required": [f"rayline:{name}" for name in whole["required"]],
            }
        },
        "$defs": whole["$defs"],
    }


def _secret_node(key: SecretKey) -> dict[str, Any]:
    value: dict[str, Any] = {
        "type": "object",
        "properties": {"secure": {"type": "string"}},
        "required": ["secure"],
    }
    if not key.encrypted:
        value = {"anyOf": [{"type": "string"}, value]}
    if key.by_user:
        value = {"type": "object", "additionalProperties": value}
    return {**value, "description": f"{key.description} Type: {key.command}"}


def _lenient(node: Any) -> Any:
    """Accepts a number where a string is expected, because YAML reads `cpu: 3` as a number."""
    if isinstance(node, list):
        return [_lenient(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    changed = {key: _lenient(value) for key, value in node.items()}
    if changed.get("type") == "string" and "enum" not in changed:
        changed["type"] = ["string", "number"]
    return changed


def project_keys(schema: Schema) -> str:
    """The `config` section of Pulumi.yaml.

    It repeats type and description for `pulumi config`. An empty default only states that a key is
    optional; the defaults themselves are those of the settings.
    """
    required = schema.whole["required"]
    keys: dict[str, Any] = {}
    for name in schema.keys_at():
        node = schema.at((name,))
        keys[f"rayline:{name}"] = {
            "type": node["type"],
            **({"items": {"type": "object"}} if node["type"] == "array" else {}),
            "description": description(node),
            **({} if name in required else {"default": {}}),
        }
    return yaml.safe_dump({"config": keys}, sort_keys=False, width=1000)
