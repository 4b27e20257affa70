"""Stack files as Pulumi reads them, without Pulumi and without decrypting anything."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cli.pulumi_yaml import PulumiLoader

NAMESPACE = "rayline"
HIDDEN = "[secret]"
"""Stands for an encrypted value."""


class StackFileError(Exception):
    """The file's text is not a stack file; the message names the place."""


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
        content = yaml.load(path.read_bytes(), PulumiLoader)
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
