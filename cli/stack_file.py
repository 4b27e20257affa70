"""Stack files as Pulumi reads them, without Pulumi and without decrypting anything."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

NAMESPACE = "rayline"
HIDDEN = "[secret]"
"""Stands for an encrypted value."""


class StackFileError(Exception):
    """The file's text is not a stack file; the message names the place."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2, as Pulumi reads it: `yes`, `12:30` and dates are strings, `1e3` is a number.

    It refuses what Pulumi refuses: a repeated key, and a value that JSON cannot hold.
    """

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and lines.setdefault(key.value, line) != line:
                raise yaml.composer.ComposerError(
                    None,
                    None,
                    f"the key {key.value!r} is already in line {lines[key.value]}",
                    key.start_mark,
                )
        return node


def _checked(construct: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The constructor of a scalar, with its failures as YAML errors that name the place."""

    def checked(loader: Any, node: yaml.ScalarNode) -> Any:
        try:
            value = construct(loader, node)
        except (KeyError, ValueError):
            value = math.nan
        if isinstance(value, float) and not math.isfinite(value):
            kind = node.tag.rpartition(":")[2]
            problem = f"the value is not a number or word of the type {kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return value

    return checked


_SCALARS = ("bool", "int", "float")
_JSON = {f"tag:yaml.org,2002:{name}" for name in ("null", "str", "seq", "map", *_SCALARS)}
_Loader.yaml_constructors = {
    tag: construct
    for tag, construct in yaml.SafeLoader.yaml_constructors.items()
    if tag in _JSON or tag is None
}
for _name in _SCALARS:
    _tag = f"tag:yaml.org,2002:{_name}"
    _Loader.add_constructor(_tag, _checked(yaml.SafeLoader.yaml_constructors[_tag]))

_KEPT = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:null")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in entries if tag in _KEPT]
    for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_NUMBERS = list("-+.0123456789")
for _tag, _form, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", _NUMBERS),
    ("float", r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", _NUMBERS),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_form})$"), _first)


@dataclass(frozen=True)
class StackFile:
    """The configuration of one stack: `texts` by key without `rayline:`, as Pulumi passes them.

    An encrypted value is HIDDEN; `encrypted` names the keys that contain one anywhere.
    """

    texts: Mapping[str, str]
    encrypted: frozenset[str]


def project(start: Path) -> Path | None:
    """The nearest folder at or above `start` with a Pulumi.yaml."""
    return next((at for at in (start, *start.parents) if (at / "Pulumi.yaml").is_file()), None)


def stacks(folder: Path) -> dict[str, Path]:
    """The stack files of a project by stack name."""
    names = {path: re.fullmatch(r"Pulumi\.(.+)\.ya?ml", path.name) for path in folder.iterdir()}
    return {name[1]: path for path, name in sorted(names.items()) if name}


def load(path: Path) -> dict[str, Any]:
    """The content of a YAML file; StackFileError if it is not a YAML mapping."""
    try:
        content = yaml.load(path.read_bytes(), _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise StackFileError(f"{where}{error.problem or error}") from None
    except yaml.reader.ReaderError as error:
        raise StackFileError(
            f"is not YAML text: {error.reason} at position {error.position + 1}. Save it as UTF-8."
        ) from None
    if not isinstance(content, dict | None):
        kind = "a list" if isinstance(content, list) else "a single value"
        raise StackFileError(f"is {kind}; it must be a mapping with `config:`")
    return content or {}


def configuration(content: Mapping[str, Any], defaults: Mapping[str, Any]) -> StackFile:
    """rayline's keys of a stack file; `defaults` is the content of the project's Pulumi.yaml."""
    config = content.get("config") or {}
    if not isinstance(config, dict):
        raise StackFileError("`config:` is not a mapping of keys, such as rayline:cluster")
    declarations = defaults.get("config") or {}
    if not isinstance(declarations, dict):
        raise StackFileError("`config:` of Pulumi.yaml is not a mapping of keys")
    declared = {
        key: entry["default"]
        for key, entry in declarations.items()
        if isinstance(entry, dict) and "default" in entry
    }
    texts = {}
    encrypted = set()
    for key, value in {**_ours(declared), **_ours(config)}.items():
        shown, hides = _without_secrets(value)
        texts[key] = shown if isinstance(shown, str) else json.dumps(shown)
        if hides:
            encrypted.add(key)
    return StackFile(texts, frozenset(encrypted))


def _ours(config: Mapping[Any, Any]) -> dict[str, Any]:
    """Keys of rayline's namespace. Pulumi reads a key without one as the project's own."""
    named = ((str(key).rpartition(":"), value) for key, value in config.items())
    return {key: value for (space, _, key), value in named if space in ("", NAMESPACE)}


def _without_secrets(value: Any) -> tuple[Any, bool]:
    """`value` with HIDDEN in place of each `{secure: ...}`, and whether there was one."""
    if isinstance(value, dict):
        if set(value) == {"secure"} and isinstance(value["secure"], str):
            return HIDDEN, True
        parts = {key: _without_secrets(part) for key, part in value.items()}
        return {key: part for key, (part, _) in parts.items()}, any(h for _, h in parts.values())
    if isinstance(value, list):
        entries = [_without_secrets(part) for part in value]
        return [entry for entry, _ in entries], any(hides for _, hides in entries)
    return value, False
