"""What a JSON schema costs to convert, from its form alone.

The bounds leave room around published tool sets (150 tools, 230 KB of JSON: 3,000 objects) and
stay below what xgrammar 0.2.8 converts in 100 ms and 64 MiB; tests/app_live/test_grammars.py
searches for the schema that comes closest. There are no bounds on the number of items and on
numbers, because xgrammar converts those in constant time.
"""

from collections.abc import Mapping
from typing import Any

from app.guard.grammar import regex

OBJECTS = 6000
"""JSON objects of one schema: subschemas, and the objects that hold them."""
ALTERNATIVES = 10_000
"""Entries of all `anyOf`, `oneOf`, `allOf`, `enum`, `prefixItems` and lists of types."""
NESTING = 64
"""vLLM's own bound: MAX_STRUCTURED_OUTPUT_JSON_NESTING."""
COUNTED = 4096
"""Sum of the squares of the optional properties of objects whose properties are counted."""
PATTERN_STATES = 1000
"""States of all patterns together, with their repetitions written out."""
LONG, LONG_STRINGS = 128, 1024
"""Sum, over the different bounds on the length of a string, of the length up to LONG."""

_ALTERNATIVES = ("anyOf", "oneOf", "allOf", "enum", "prefixItems", "type")
_COUNTS = ("minProperties", "maxProperties")
_LEADS_TO_OUTLINES = frozenset(
    {
        "allOf", "contains", "format", "maxContains", "minContains", "multipleOf", "pattern",
        "propertyNames", "uniqueItems",
    }
)  # fmt: skip


def problem(schema: Any) -> str | None:
    """What makes the schema too expensive, as the end of a sentence; None for one that is not."""
    totals = _Totals()
    level = [schema]
    for _ in range(NESTING + 1):
        below: list[Any] = []
        for container in level:
            if type(container) is dict:
                totals.add(container)
                below += [v for v in container.values() if type(v) is dict or type(v) is list]
            elif type(container) is list:
                below += [v for v in container if type(v) is dict or type(v) is list]
        if totals.objects > OBJECTS:
            break
        level = below
        if not level:
            return totals.problem()
    return totals.problem() or f"is nested deeper than {NESTING} levels"


class _Totals:
    """Counts over all objects of one schema."""

    def __init__(self) -> None:
        self.objects = self.alternatives = self.counted = self.states = 0
        self.lengths: set[tuple[Any, Any]] = set()
        self.keys: set[str] = set()
        self.form: str | None = None

    def add(self, part: Mapping[str, Any]) -> None:
        self.objects += 1
        for key in _ALTERNATIVES:
            value = part.get(key)
            if type(value) is list:
                self.alternatives += len(value)
        if any(key in part for key in _COUNTS):
            self._add_counted(part)
        if "maxLength" in part or "minLength" in part:
            self.lengths.add((_number(part.get("minLength")), _number(part.get("maxLength"))))
        if type(part.get("pattern")) is str:
            self._add_pattern(part["pattern"])
        patterns = part.get("patternProperties")
        if type(patterns) is dict:
            self.keys.add("patternProperties")
            if "properties" in part or len(patterns) > 1:
                self.keys.add("contains")
            for pattern in patterns:
                self._add_pattern(pattern)
        self.keys.update(_LEADS_TO_OUTLINES.intersection(part))

    def _add_counted(self, part: Mapping[str, Any]) -> None:
        properties, required = part.get("properties"), part.get("required")
        if type(properties) is dict:
            needed = required if type(required) is list else []
            optional = len(properties) - sum(
                type(n) is str and n in properties for n in {*_words(needed)}
            )
            self.counted += optional**2

    def _add_pattern(self, pattern: str) -> None:
        states, form = regex.size(pattern)
        self.states += states
        if form is not None:
            self.form = f"contains a pattern that {form}"

    def problem(self) -> str | None:
        lengths = sum(min(LONG, max(pair)) for pair in self.lengths)
        for count, most, what in (
            (self.objects, OBJECTS, "objects"),
            (self.alternatives, ALTERNATIVES, "alternatives"),
            (self.states, PATTERN_STATES, "states in its patterns, repetitions written out"),
        ):
            if count > most:
                return f"has more than {most} {what}"
        if self.counted > COUNTED:
            return (
                "has too many optional properties in objects with minProperties or maxProperties; "
                f"allowed: {int(COUNTED**0.5)} in one such object, and fewer in several"
            )
        if lengths > LONG_STRINGS:
            return (
                "has too many different values of minLength and maxLength; "
                f"allowed: {LONG_STRINGS // LONG} above {LONG}"
            )
        if "patternProperties" in self.keys and self.keys & _LEADS_TO_OUTLINES:
            return (
                "has patternProperties together with a keyword that only vLLM's slowest compiler "
                "supports; remove patternProperties"
            )
        return self.form


def _words(values: list[Any]) -> list[str]:
    return [value for value in values if type(value) is str]


def _number(value: Any) -> float:
    return value if type(value) in (int, float) else 0
