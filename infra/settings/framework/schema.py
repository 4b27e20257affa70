"""The JSON schema of the settings: what one key may contain, and an example of it."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import BaseModel

Node = Mapping[str, Any]


class Schema:
    """Answers questions about the keys of one settings model. Locations are tuples of keys and list
    indices, for example ("models", 0, "dtype")."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    @cached_property
    def whole(self) -> Node:
        """JSON schema (2020-12) of all keys, in camelCase."""
        return self._model.model_json_schema(by_alias=True)

    def at(self, location: Sequence[str | int]) -> Node:
        """The schema of one location; {} if the location does not exist."""
        node = self.whole
        for part in location:
            here = self._resolve(node)
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
        return self._resolve(node)

    def keys_at(self, location: Sequence[str | int] = ()) -> tuple[str, ...]:
        """The keys that an object at that location may have; empty if any key is allowed."""
        return tuple(self.at(location).get("properties", {}))

    def _resolve(self, node: Node) -> Node:
        """The node with references followed and `X or null` read as X; keeps the description."""
        merged = dict(node)
        for _ in range(8):
            if "$ref" in merged:
                reference = merged.pop("$ref").rsplit("/", 1)[1]
                merged = {**self.whole["$defs"][reference], **merged}
            elif "anyOf" in merged:
                first: Node = next((n for n in merged.pop("anyOf") if n.get("type") != "null"), {})
                merged = {**first, **merged}
            else:
                break
        return merged


def allowed(node: Node) -> str:
    """What a key may contain, as part of a sentence."""
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
    if "pattern" in node and "examples" not in node:  # those of a Text are for machines
        limits.append(f"that matches {node['pattern']}")
    if node.get("properties"):
        limits.append("with the keys " + ", ".join(node["properties"]))
    return " ".join([words, *limits])


def description(node: Node) -> str:
    """A key's description on one line."""
    return " ".join(str(node.get("description", "")).split())


def summary(node: Node) -> str:
    """The first sentence of a key's description."""
    return description(node).split(". ")[0].rstrip(".")


def example(node: Node) -> object:
    """A value that is accepted, or <a placeholder> if only the user can know one."""
    for value in (node.get("default"), *node.get("examples", ())):
        if value is not None and not isinstance(value, dict | list):
            return value
    if "enum" in node:
        return node["enum"][0]
    kind = node.get("type")
    if kind in ("integer", "number"):
        return node.get("minimum", node.get("maximum", 1))
    return "true" if kind == "boolean" else "<value>"
