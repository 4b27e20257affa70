"""The application's OpenAPI document and the placement, made into what a request is judged along.

Where a value may have several models, vLLM chooses one in ways that a guard should not imitate, so
the models are merged: a field has all the kinds that any of them gives it.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.guard.fields import kinds
from app.guard.fields.kinds import Kind
from app.guard.fields.placement import PLACES, SCHEMAS, own

_COPY = re.compile(r"-(Input|Output)$")
Schema = Mapping[str, Any]


@dataclass(slots=True, eq=False)
class Node:
    """A place of a request: its judged fields, and the places of a list's items and of an object's
    other values. A place where nothing is judged has none of them."""

    fields: dict[str, "Field"] = field(default_factory=dict)
    items: "Node | None" = None
    values: "Node | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field of a place: the kinds that need a look at its value, and the place below it."""

    kinds: tuple[Kind, ...]
    node: Node | None


def short(name: str) -> str:
    """The name of a model without its module, and without the mark of its two copies."""
    return _COPY.sub("", name.rpartition("__")[2])


class Compiler:
    """Makes nodes from the schemas of one OpenAPI document."""

    def __init__(self, document: Schema) -> None:
        self._schemas: Schema = document.get("components", {}).get("schemas", {})
        self._nodes: dict[frozenset[int], Node] = {}
        self.unplaced: set[str] = set()
        """`Model.field` of every field that OpenAPI has and the placement lacks."""

    def node(self, schemas: Iterable[Schema]) -> Node:
        """The place of a value that may have any of these schemas."""
        forms = list(self._forms(schemas, set()))
        key = frozenset(id(form) for _, form in forms)
        known = self._nodes.get(key)
        if known is None:
            known = self._nodes[key] = Node()
            self._fill(known, forms)
        return known

    def body(self, schemas: list[Schema]) -> Node:
        """The place of a whole body, with the fields that are judged at the top of every body."""
        return self.node([*schemas, {"$ref": "Everywhere"}])

    def prune(self) -> None:
        """Remove the places below which nothing is judged, so that no request walks them."""
        judged: set[int] = set()
        grew = True
        while grew:
            grew = False
            for node in self._nodes.values():
                if id(node) not in judged and _is_judged(node, judged):
                    judged.add(id(node))
                    grew = True
        for node in self._nodes.values():
            node.items = node.items if id(node.items) in judged else None
            node.values = node.values if id(node.values) in judged else None
            kept: dict[str, Field] = {}
            for name, found in node.fields.items():
                below = found.node if id(found.node) in judged else None
                if found.kinds or below is not None:
                    kept[name] = Field(found.kinds, below)
            node.fields = kept

    def _forms(self, schemas: Iterable[Schema], seen: set[str]) -> Iterator[tuple[str, Schema]]:
        """(model's short name, schema) of every form that a value may have, references resolved."""
        for schema in schemas:
            reference = schema.get("$ref")
            if reference is not None:
                name: str = reference.rpartition("/")[2]
                if name not in seen:
                    seen.add(name)
                    found = self._schemas.get(name) or SCHEMAS[name]
                    also = ({"$ref": other} for other in own.ALSO.get(short(name), ()))
                    yield from ((n or short(name), form) for n, form in self._forms([found], seen))
                    yield from self._forms(also, seen)
            for key in ("anyOf", "oneOf", "allOf"):
                yield from self._forms(schema.get(key, ()), seen)
            if "properties" in schema or "items" in schema or "additionalProperties" in schema:
                yield "", schema

    def _fill(self, node: Node, forms: list[tuple[str, Schema]]) -> None:
        properties: dict[str, list[Schema]] = {}
        found: dict[str, set[Kind]] = {}
        items: list[Schema] = []
        values: list[Schema] = []
        for name, form in forms:
            for key, schema in form.get("properties", {}).items():
                kind = PLACES.get(name, {}).get(key)
                if kind is None:
                    self.unplaced.add(f"{name}.{key}")
                    kind = kinds.CLOSED
                found.setdefault(key, set()).add(kind)
                if kind is not kinds.FREE:
                    properties.setdefault(key, []).append(schema)
                if kind.place:
                    properties[key].append(_as(kind.place))
            if isinstance(form.get("items"), dict):
                items.append(form["items"])
            if isinstance(form.get("additionalProperties"), dict):
                values.append(form["additionalProperties"])
        node.items = self.node(items) if items else None
        node.values = self.node(values) if values else None
        for key, given in found.items():
            looked_at = sorted(given - kinds.UNJUDGED, key=lambda kind: kind.name)
            below = self.node(properties[key]) if key in properties else None
            node.fields[key] = Field(tuple(looked_at), below)


@functools.cache  # one object per place, so that a place inside itself is recognised
def _as(place: str) -> Schema:
    """The schema of a list of these places, or of one."""
    return {"anyOf": [{"type": "array", "items": {"$ref": place}}, {"$ref": place}]}


def _is_judged(node: Node, judged: set[int]) -> bool:
    below = [node.items, node.values, *(f.node for f in node.fields.values())]
    return any(f.kinds for f in node.fields.values()) or any(id(n) in judged for n in below)
