"""Stack files as plain configuration values, and edits of them by path.

Values are by key without `rayline:`. A path is written as a keyword, `models__0__route="/x"`, or as
its parts, `("models", 0, "route")`. Objects that are missing on the way are created; a list grows
at its end, with a copy of its first item under a new name if the path leads into the new item.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from infra.settings import SCHEMA, StackSettings, parse
from infra.settings.framework.problems import ConfigurationError
from infra.settings.framework.schema import example

ROOT = Path(__file__).parents[1]
STACKS = ("local", "dev", "prod")
REVISION = "0123456789abcdef0123456789abcdef01234567"
Location = tuple[str | int, ...]

EXAMPLE: dict[str, Any] = {
    "cluster": {"context": "a"},
    "image": {"repository": "registry.example.com/llm"},
    "gpuGroups": [
        {"name": "big", "gpu": {"model": "A", "memoryGib": 24, "count": 2}, "workers": 2},
        {"name": "spare", "gpu": {"model": "B", "memoryGib": 12}, "enabled": False},
    ],
    "models": [
        {
            "name": "one",
            "source": "owner/one",
            "revision": REVISION,
            "gpuGroup": "big",
            "weightsGib": 10,
            "kvKibPerToken": 100,
            "maxModelLen": 4096,
        }
    ],
    "auth": {"users": [{"name": "alice", "role": "admin"}, {"name": "bob"}]},
}
"""A small stack that breaks no rule."""


def whole_file(name: str) -> Any:
    """The content of Pulumi.<name>.yaml."""
    return yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())


def committed(name: str, **changes: Any) -> dict[str, Any]:
    """The values of Pulumi.<name>.yaml with changes."""
    config = whole_file(name)["config"]
    return edited({k.removeprefix("rayline:"): v for k, v in config.items()}, **changes)


def values(**changes: Any) -> dict[str, Any]:
    """The small stack with changes."""
    return edited(EXAMPLE, **changes)


def settings(**changes: Any) -> StackSettings:
    """The settings of the small stack with changes."""
    return parse(values(**changes))


def edited(whole: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with values set by keyword."""
    changed = copy.deepcopy(dict(whole))
    for path, value in changes.items():
        put(changed, tuple(int(p) if p.isdigit() else p for p in path.split("__")), value)
    return changed


def put(whole: dict[str, Any], location: Location, value: Any) -> dict[str, Any]:
    """Sets one value in place; returns the whole."""
    here: Any = whole
    for part, following in pairwise(location):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(here, list):
            if part == len(here):
                here.append(_another(here, empty))
            here = here[int(part)]
        else:
            here = here.setdefault(part, empty)
    last = location[-1]
    if isinstance(here, list) and last == len(here):
        here.append(copy.deepcopy(value))
    else:
        here[last] = copy.deepcopy(value)
    return whole


def _another(items: list[Any], empty: Any) -> Any:
    if not items or "name" not in items[0]:
        return empty
    return {**copy.deepcopy(items[0]), "name": f"{items[0]['name']}-{len(items)}"}


def remove(whole: dict[str, Any], location: Location) -> None:
    """Removes one value in place."""
    here: Any = whole
    for part in location[:-1]:
        here = here[part]
    del here[location[-1]]


def short(value: object) -> str:
    """A value in a test's name. A set has another order in each process, and so would the name."""
    return str(sorted(value) if isinstance(value, (set, frozenset)) else value)[:40]


def locations(inside: Location = ()) -> Iterator[Location]:
    """Every key of the configuration; lists are represented by their first item."""
    for name in SCHEMA.keys_at(inside):
        here = (*inside, name)
        yield here
        inner = (*here, 0) if SCHEMA.at(here).get("type") == "array" else here
        yield from locations(inner)


def leaves() -> list[Location]:
    """The keys that contain no other keys."""
    every = list(locations())
    return [here for here in every if not any(o[: len(here)] == here != o for o in every)]


def complete(whole: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which every optional object exists and every list of objects has an item, with the
    keys that they require."""
    changed = copy.deepcopy(dict(whole))
    for here in locations():
        default = SCHEMA.at(here).get("default", ...)
        if default is None and SCHEMA.keys_at(here):
            _fill(changed, here, _smallest(here))
        elif default in ([], None) and SCHEMA.keys_at((*here, 0)):
            _fill(changed, here, [_smallest((*here, 0))])
    return changed


def _fill(whole: dict[str, Any], location: Location, value: Any) -> None:
    """Sets a value in place where there is none."""
    here: Any = whole
    for part in location[:-1]:
        here = here[int(part)] if isinstance(here, list) else here.setdefault(part, {})
    here.setdefault(location[-1], value)


def _smallest(location: Location) -> dict[str, Any]:
    """An object with the keys that it requires; texts are `other`."""
    nodes = {key: SCHEMA.at((*location, key)) for key in SCHEMA.at(location).get("required", ())}
    return {
        key: _text(node) if str(example(node)).startswith("<") else example(node)
        for key, node in nodes.items()
    }


def _text(node: Mapping[str, Any]) -> str:
    return next(text for text in _TEXTS if re.search(node.get("pattern", ""), text))


_TEXTS = (
    "other",
    "owner/name",
    "other/other",
    "2Gi",
    "700m",
    "9.9.9",
    "https://other.example.com",
    "/other",
    "1" * 40,
    "2" * 40,
    "NoSchedule",
    "NoExecute",
)


def different(whole: Mapping[str, Any], location: Location) -> dict[str, Any]:
    """A copy in which one key has another valid value."""
    node, before = SCHEMA.at(location), parse(whole)
    current: Any = before.model_dump(by_alias=True)
    for part in location:
        current = current[part]
    kind = node.get("type")
    candidates: list[Any] = list(node.get("enum", ()))
    if kind == "boolean":
        candidates += [True, False]
    elif kind in ("integer", "number"):
        candidates += [*([current + 1] if current else []), 1, 2, 0.5]
    elif kind == "array":
        candidates += [
            [],
            ["other"],
            ["192.0.2.0/24"],
            ["https://other"],
            ["job/other"],
            [{"key": "other"}],
            [4711],
        ]
    elif kind == "object":
        candidates += [{"other": "x"}, {"other": {"priority": 1}}]
        candidates += [{"other": {"secret": "x", "key": "y"}}]
    else:
        candidates += [f"{current}x", *_TEXTS]
    for candidate in candidates:
        changed = put(copy.deepcopy(dict(whole)), location, candidate)
        try:
            after = parse(changed)
        except ConfigurationError:
            continue
        if after != before:
            return changed
    raise AssertionError(f"no other value is known for {location}")
