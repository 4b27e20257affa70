"""YAML as Pulumi reads it, with the rules of Go's yaml.v3.

https://github.com/go-yaml/yaml/blob/v3.0.1/resolve.go: `yes` and `12:30` are texts; `017`, `0x1F`
and `1_000` are numbers; and 1.0 is a whole number once Pulumi has passed it on as JSON. Refused is
what Pulumi refuses (a repeated key, an infinite number, aliases that expand to very much) or
changes beyond recognition (a date).
"""

import math
import re
from datetime import date
from typing import Any

import yaml

MAXIMUM_VALUES = 200_000
"""Values that a file may have, with aliases counted as often as they are used."""

_TAG = "tag:yaml.org,2002:"
_WHOLE = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))")
_BASES = (16, 2, 8, 10)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_DATE = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt]| +)[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:?[0-9]{2})?)?"
)
_ENDLESS = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_DIGITS = 24
"""No 64-bit number has more digits."""


class PulumiLoader(yaml.SafeLoader):
    """Raises yaml.MarkedYAMLError, which names the place of what is refused."""

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and lines.setdefault(key.value, line) != line:
                problem = f"the key {key.value!r} is already in line {lines[key.value]}"
                raise _refusal(key, problem)
        return node

    def construct_document(self, node: yaml.Node) -> Any:
        _count(node, {})
        return super().construct_document(node)


def _refusal(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _count(node: yaml.Node, known: dict[int, int | None]) -> int:
    """The values in a node. `known` has None for a node that is being counted."""
    if id(node) in known:
        found = known[id(node)]
        if found is None:
            raise _refusal(node, "the value contains itself")
        return found
    known[id(node)] = None
    total = 1
    for inner in node.value if isinstance(node, yaml.CollectionNode) else ():
        total += sum(
            _count(each, known) for each in (inner if isinstance(inner, tuple) else [inner])
        )
    if total > MAXIMUM_VALUES:
        raise _refusal(node, f"with its aliases, this has more than {MAXIMUM_VALUES} values")
    known[id(node)] = total
    return total


def _scalar(loader: Any, node: yaml.ScalarNode) -> Any:
    """A number, or the text where Go cannot read one."""
    text = str(loader.construct_scalar(node))
    if _ENDLESS.fullmatch(text):
        raise _refusal(node, f"{text} is not a number that a stack file can contain")
    if _is_date(text):
        raise _refusal(node, f"Pulumi reads {text} as a date. Write it in quotes: {text!r}")
    return number(text)


def _is_date(text: str) -> bool:
    found = _DATE.fullmatch(text)
    try:
        return bool(found and date(*map(int, found.groups())))
    except ValueError:
        return False


def number(text: str) -> int | float | str:
    """A plain scalar that begins like a number, as JSON that Pulumi writes."""
    plain = text.replace("_", "")
    if len(plain) <= _DIGITS and (found := _WHOLE.fullmatch(plain)):
        sign, *digits = found.groups()
        value = next(int(part, base) for part, base in zip(digits, _BASES, strict=True) if part)
        if value < 2**63 or (not sign and value < 2**64):
            return -value if sign == "-" else value
    if _FLOAT.fullmatch(plain) and math.isfinite(real := float(plain)):
        return int(real) if real.is_integer() else real
    return text


def _bool(loader: Any, node: yaml.ScalarNode) -> bool:
    text = str(loader.construct_scalar(node))
    if text.lower() not in ("true", "false"):
        raise _refusal(node, "the value is not true or false")
    return text.lower() == "true"


def _tagged_number(loader: Any, node: yaml.ScalarNode) -> int | float:
    value = _scalar(loader, node)
    if isinstance(value, int | float):
        return value
    kind = node.tag.rpartition(":")[2]
    raise _refusal(node, f"the value is not a number of the type {kind}")


_KEPT = {None, *(f"{_TAG}{name}" for name in ("null", "str", "seq", "map"))}
PulumiLoader.yaml_constructors = {
    tag: construct for tag, construct in yaml.SafeLoader.yaml_constructors.items() if tag in _KEPT
}
PulumiLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in entries if tag in (f"{_TAG}merge", f"{_TAG}null")]
    for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_NUMBER_LIKE = "!like-a-number"
PulumiLoader.add_constructor(_NUMBER_LIKE, _scalar)
PulumiLoader.add_constructor(f"{_TAG}bool", _bool)
PulumiLoader.add_constructor(f"{_TAG}int", _tagged_number)
PulumiLoader.add_constructor(f"{_TAG}float", _tagged_number)
PulumiLoader.add_implicit_resolver(
    f"{_TAG}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
PulumiLoader.add_implicit_resolver(_NUMBER_LIKE, re.compile(r"[-+.0-9]"), list("-+.0123456789"))
