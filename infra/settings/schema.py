"""The JSON schema of the settings, asked about one key: what it may hold, and an example of it."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from infra.settings import StackSettings

Node = Mapping[str, Any]


@cache
def stack_schema() -> Node:
    """JSON schema (2020-12) of all `rayline:` keys that are not secret, by their own names."""
    return StackSettings.model_json_schema(by_alias=True)


def resolve(node: Node) -> Node:
    """The node itself: references followed, `X or null` read as X; keeps the description."""
    merged = dict(node)
    for _ in range(8):
        if "$ref" in merged:
            reference = merged.pop("$ref").rsplit("/", 1)[1]
            merged = {**stack_schema()["$defs"][reference], **merged}
        elif "anyOf" in merged:
            first: Node = next((n for n in merged.pop("anyOf") if n.get("type") != "null"), {})
            merged = {**first, **merged}
        else:
            break
    return merged


def node_at(location: Sequence[str | int]) -> Node:
    """What the schema says about a place such as ("models", 0, "dtype"); {} where nothing."""
    node: Node = stack_schema()
    for part in location:
        here = resolve(node)
        if isinstance(part, int):
            items = here.get("items", {})
            node = items if isinstance(items, Mapping) else {}
        elif part in here.get("properties", {}):
            node = here["properties"][part]
        else:
            more: Any = here.get("additionalProperties") or next(
                iter(here.get("patternProperties", {}).values()), {}
            )
            node = more if isinstance(more, Mapping) else {}
    return resolve(node)


def keys_at(location: Sequence[str | int]) -> tuple[str, ...]:
    """The keys that an object at that place may have; empty where any are allowed."""
    return tuple(node_at(location).get("properties", {}))


def allowed(node: Node) -> str:
    """What a key may hold, in words."""
    if "enum" in node:
        return "one of " + ", ".join(str(value) for value in node["enum"])
    if "const" in node:
        return repr(node["const"])
    words = {
        "string": "a text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "array": "a list",
        "object": "an object",
    }.get(node.get("type", ""), "a value")
    limits = [
        f"{word} {node[name]}"
        for name, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "up to"),
            ("exclusiveMaximum", "below"),
        )
        if name in node
    ]
    if "maxLength" in node:
        limits.append(f"of at most {node['maxLength']} characters")
    if node.get("minLength") or node.get("minItems"):
        limits.append("that is not empty")
    if "pattern" in node:
        limits.append(f"that matches {node['pattern']}")
    if node.get("properties"):
        limits.append("with the keys " + ", ".join(node["properties"]))
    return " ".join([words, *limits])


def summary(node: Node) -> str:
    """The first sentence of a key's description."""
    text = " ".join(str(node.get("description", "")).split())
    return text.split(". ")[0].rstrip(".")


def example(node: Node) -> object:
    """A value that would be accepted, or <a placeholder> where only the user can know one."""
    for value in (node.get("default"), *node.get("examples", ())):
        if value is not None and not isinstance(value, dict | list):
            return value
    if "enum" in node:
        return node["enum"][0]
    kind = node.get("type")
    if kind in ("integer", "number"):
        return node.get("minimum", node.get("maximum", 1))
    return "true" if kind == "boolean" else "<value>"
