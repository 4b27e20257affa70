"""Checks a value against a schema of a CRD, as the API server does when it is created.

Unlike the API server, which drops a field that it does not know, this reports it. Rules in CEL
(`x-kubernetes-validations`) are not evaluated.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.settings.framework.problems import closest, listed

Location = tuple[str | int, ...]

_BOUNDS = {"int32": 2**31, "int64": 2**63}
_KINDS: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list, tuple),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_WORDS = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}
_SHOWN = 60


@dataclass(frozen=True)
class Mistake:
    """One value that the API server would refuse or drop. `location` is its path inside the checked
    value; `message` continues a sentence that begins with the path."""

    location: Location
    message: str


def mistakes(schema: Mapping[str, Any], value: Any, location: Location = ()) -> Iterator[Mistake]:
    """Every mistake in `value`, in the order of its keys."""
    if value is None and schema.get("nullable"):
        return
    if wrong := _wrong(schema, value):
        yield Mistake(location, f"is {_shown(value)}; it must be {wrong}")
    elif isinstance(value, dict):
        yield from _object(schema, value, location)
    elif isinstance(value, list | tuple):
        items = schema.get("items", {})
        for number, item in enumerate(value):
            yield from mistakes(items, item, (*location, number))
        yield from _repeated(schema, value, location)


def _wrong(schema: Mapping[str, Any], value: Any) -> str | None:
    """What a value must be, if it is something else; its parts are not looked at."""
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            return "a whole number or a text"
    elif kind := schema.get("type"):
        is_number = kind in ("integer", "number")
        if not isinstance(value, _KINDS[kind]) or (is_number and isinstance(value, bool)):
            return _WORDS[kind]
    if isinstance(value, int) and not isinstance(value, bool):
        limit = _BOUNDS.get(schema.get("format", "int64"), 2**63)
        lowest = max(schema.get("minimum", -limit), -limit)
        highest = min(schema.get("maximum", limit - 1), limit - 1)
        if not lowest <= value <= highest:
            return f"a whole number from {lowest} to {highest}"
    if "enum" in schema and value not in schema["enum"]:
        return f"one of {listed(schema['enum'])}"
    return _wrong_text(schema, value) if isinstance(value, str) else None


def _wrong_text(schema: Mapping[str, Any], value: str) -> str | None:
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", len(value))
    if not shortest <= len(value) <= longest:
        return "a text that is not empty" if not value else f"at most {longest} characters"
    # Go's patterns of the CRDs mean the same in Python; like Go, `search` needs no full match.
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"a text that matches {schema['pattern']}"
    return None


def _object(
    schema: Mapping[str, Any], value: Mapping[Any, Any], location: Location
) -> Iterator[Mistake]:
    fields = schema.get("properties", {})
    others = schema.get("additionalProperties")
    is_open = bool(others) or schema.get("x-kubernetes-preserve-unknown-fields") or not fields
    for name in schema.get("required", ()):
        if value.get(name) is None:
            yield Mistake((*location, name), "is missing")
    for name, inner in value.items():
        here = (*location, str(name))
        if name in fields:
            if inner is not None or fields[name].get("nullable"):
                yield from mistakes(fields[name], inner, here)
        elif isinstance(others, Mapping):
            yield from mistakes(others, inner, here)
        elif not is_open:
            meant = closest(str(name), fields)
            hint = f"did you mean {meant!r}?" if meant else f"there are: {listed(sorted(fields))}"
            yield Mistake(here, f"is not a field; {hint}")


def _repeated(schema: Mapping[str, Any], value: Any, location: Location) -> Iterator[Mistake]:
    """Entries of a list that must differ in some keys, or altogether."""
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("map", "set"):
        return
    names = schema.get("x-kubernetes-list-map-keys", ())
    defaults = {n: schema["items"]["properties"][n].get("default") for n in names}
    seen = set()
    for number, item in enumerate(value):
        parts = {n: item.get(n, defaults[n]) for n in names} if isinstance(item, dict) else item
        if (key := json.dumps(parts, sort_keys=True)) in seen:
            what = " and ".join(names) or "value"
            yield Mistake((*location, number), f"repeats the {what} of an earlier entry")
        seen.add(key)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
