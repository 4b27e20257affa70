"""What a JSON schema costs to convert, estimated from its form alone.

The estimate is in microseconds of one core of an x86-64 server. Its terms are fits to xgrammar
0.2.8, each of which rounds up what was measured; tests/app_live/test_grammars.py searches for
schemas that cost more than they are estimated to. Numbers of items and recursion through `$ref` are
absent, because xgrammar converts those in constant time.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from app.guard.grammar import regex

ALLOWED_US = 55_000.0
"""Of the 100 ms that all conversions of a request may take. The rest is for the fits: the first
conversion in a process, objects below many others and a busy core cost up to half as much again."""
NESTING = 64
"""vLLM's own bound: MAX_STRUCTURED_OUTPUT_JSON_NESTING."""
LONG, LONG_STRINGS = 128, 1024
"""The compiler writes out a bounded string up to LONG characters, once for each pair of bounds; the
sum over all pairs may be LONG_STRINGS."""

_LEADS_TO_OUTLINES = frozenset(
    {
        "allOf", "contains", "format", "maxContains", "minContains", "multipleOf", "pattern",
        "propertyNames", "uniqueItems",
    }
)  # fmt: skip
_LARGE_FORMATS = ("duration", "ipv6", "uri", "uri-reference", "uri-template")
_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def problem(schema: Any) -> str | None:
    """What makes the schema too expensive, as the end of a sentence; None for one that is not."""
    estimate = Estimate()
    level, depth = [schema], 0
    while level:
        if depth > NESTING:
            return f"is nested deeper than {NESTING} levels"
        below: list[Any] = []
        for container in level:
            if type(container) is dict:
                estimate.add(container, depth)
                below += [v for v in container.values() if type(v) is dict or type(v) is list]
            elif type(container) is list:
                estimate.costs["alternatives"] += 1.5 * len(container)
                below += [v for v in container if type(v) is dict or type(v) is list]
        level, depth = below, depth + 1
    return estimate.problem()


class Estimate:
    """The cost of one schema, by what causes it."""

    def __init__(self) -> None:
        self.costs: defaultdict[str, float] = defaultdict(float)
        self._lengths: set[tuple[float, float]] = set()
        self._keys: set[str] = set()
        self._form: str | None = None

    def add(self, part: Mapping[str, Any], depth: int) -> None:
        """Add one JSON object at a depth: a subschema, or an object that holds some."""
        self.costs["objects"] += 4 + 0.9 * depth
        self.costs["names"] += 0.1 * sum(map(len, part))
        if "format" in part:
            self.costs["formats"] += 180 if part["format"] in _LARGE_FORMATS else 80
        if any(key in part for key in _LIMITS):
            self._add_limits(part)
        if "minProperties" in part or "maxProperties" in part:
            self._add_counted(part)
        if "maxLength" in part or "minLength" in part:
            self._lengths.add((_number(part.get("minLength")), _number(part.get("maxLength"))))
        if type(part.get("pattern")) is str:
            self._add_pattern(part["pattern"])
        patterns = part.get("patternProperties")
        if type(patterns) is dict:
            self._keys.add("patternProperties")
            if "properties" in part or len(patterns) > 1:
                self._keys.add("contains")
            for pattern in patterns:
                self._add_pattern(pattern)
        self._keys.update(_LEADS_TO_OUTLINES.intersection(part))

    def problem(self) -> str | None:
        """What makes the schema too expensive."""
        if "patternProperties" in self._keys and self._keys & _LEADS_TO_OUTLINES:
            return (
                "has patternProperties together with a keyword that only vLLM's slowest compiler "
                "supports; remove patternProperties"
            )
        if sum(min(LONG, max(pair)) for pair in self._lengths) > LONG_STRINGS:
            most = LONG_STRINGS // LONG
            return (
                f"has too many different values of minLength and maxLength; allowed: {most} above "
                f"{LONG}"
            )
        total = sum(self.costs.values())
        if total > ALLOWED_US:
            most_of_it = max(self.costs, key=self.costs.__getitem__)
            return (
                f"is estimated to take {total / 1000:.0f} ms to convert, most of it for "
                f"{most_of_it}; allowed: {ALLOWED_US / 1000:.0f} ms"
            )
        return self._form

    def _add_limits(self, part: Mapping[str, Any]) -> None:
        """A range of numbers becomes alternatives of digits."""
        digits = sum(_digits(part.get(key)) for key in _LIMITS)
        whole = part.get("type") == "integer"
        self.costs["ranges of numbers"] += 0.4 * digits**2 + 6 if whole else 17 * digits + 40

    def _add_counted(self, part: Mapping[str, Any]) -> None:
        """Every order in which optional properties may be counted becomes a rule."""
        properties, required = part.get("properties"), part.get("required")
        if type(properties) is dict:
            names = required if type(required) is list else ()
            needed = {name for name in names if type(name) is str and name in properties}
            cost = 0.3 * float(len(properties) - len(needed)) ** 3
            self.costs["optional properties beside minProperties or maxProperties"] += cost

    def _add_pattern(self, pattern: str) -> None:
        size = regex.size(pattern)
        cost = 5 + 0.05 * float(size.states) ** 2 + 0.3 * float(size.wide) ** 2
        self.costs["patterns, with their repetitions written out"] += cost
        if size.problem is not None:
            self._form = f"contains a pattern that {size.problem}"


def _number(value: Any) -> float:
    return float(value) if type(value) in (int, float) else 0.0


def _digits(value: Any) -> int:
    """Characters of a number as xgrammar writes it: 40 stands for up to 309 zeros, which cost less
    than other digits."""
    text = str(value) if type(value) in (int, float) else ""
    return 40 if "e" in text else len(text)
