"""Writes docs/configuration.md and docs/configuration.schema.json from infra.settings.

`python -m infra.settings.reference` writes them; with `--check` it only says whether they are
stale.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.settings import schema
from infra.settings.secret_keys import SECRET_KEYS, SecretKey

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE, SCHEMA = DOCS / "configuration.md", DOCS / "configuration.schema.json"

_UNITS = {
    "Seconds": "seconds",
    "Minutes": "minutes",
    "Gib": "GiB",
    "Gb": "GiB",
    "KibPerToken": "KiB a token",
    "Len": "tokens",
}
_INTRO = """\
# Stack configuration
Written by `python -m infra.settings.reference` from `infra/settings`; a test fails where it is
stale. Each section is one key of `Pulumi.<stack>.yaml`. What is not given has the default, an
unknown key is an
error. A single value is set by its path, also inside lists:

```
pulumi config set --path 'rayline:models[0].maxModelLen' 16384
```

Editors with a YAML language server check a stack's file while you type, by its first line:
`# yaml-language-server: $schema=docs/configuration.schema.json`. What no single key can tell
(routes, cards, memory, versions) is checked by `pulumi preview`, before anything is changed:
`infra/rules`.
"""


def reference() -> str:
    """docs/configuration.md: one table an object, in the order of the settings."""
    parts = [_INTRO]
    for name in schema.keys_at(()):
        parts += _sections((name,))
    parts.append(_secrets())
    return "\n".join(parts)


def _sections(location: tuple[str | int, ...]) -> Iterator[str]:
    node = schema.node_at(location)
    listed = node.get("type") == "array"
    inner = (*location, 0) if listed else location
    fields = schema.node_at(inner).get("properties", {})
    title = "rayline:" + ".".join(str(p) for p in location if p != 0)
    title += "[]" if listed else ""
    required = schema.node_at(inner).get("required", ())
    rows = [_row((*inner, name), name in required) for name in fields]
    yield "\n".join(
        [
            f"{'#' * (2 if len(location) == 1 else 3)} {title}",
            _text(node),
            "",
            "| key | type | default | |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )
    for name in fields:
        child = schema.node_at((*inner, name))
        items = schema.node_at((*inner, name, 0)) if child.get("type") == "array" else child
        if items.get("properties"):
            yield from _sections((*inner, name))


def _row(location: tuple[str | int, ...], required: bool) -> str:
    node = schema.node_at(location)
    name = str(location[-1])
    default = "**required**" if required else _default(node)
    description = _cell(_text(node))
    return f"| `{name}` | {_cell(_type(location, node))} | {default} | {description} |"


def _type(location: tuple[str | int, ...], node: Mapping[str, Any]) -> str:
    if node.get("type") == "array":
        items = schema.node_at((*location, 0))
        return "list of objects" if items.get("properties") else "list of texts"
    if node.get("type") == "object":
        return "object, below" if node.get("properties") else "object: name to value"
    words = schema.allowed({k: v for k, v in node.items() if k != "pattern"})
    words = words.removeprefix("a ").removeprefix("one of ")
    unit = next((u for end, u in _UNITS.items() if str(location[-1]).endswith(end)), None)
    return f"{words}; {unit}" if unit else words


def _default(node: Mapping[str, Any]) -> str:
    value = node.get("default")
    if node.get("properties") or value is None:
        return "-"
    return f"`{json.dumps(value)}`" if value not in ({}, []) else "empty"


def _text(node: Mapping[str, Any]) -> str:
    return " ".join(str(node.get("description", "")).split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _secrets() -> str:
    rows = [
        f"| `rayline:{key.name}` | {_cell(key.description)} | `{key.command}` |"
        for key in SECRET_KEYS.values()
    ]
    return "\n".join(
        [
            "## Secrets",
            "Encrypted keys of their own, all optional. A plain value is refused (but for "
            "registryUsername), and so is an encrypted one anywhere else.",
            "",
            "| key | | to type |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def editor_schema() -> dict[str, Any]:
    """JSON schema of a whole Pulumi.<stack>.yaml, for editors."""
    whole = _lenient(schema.stack_schema())
    keys = {f"rayline:{name}": node for name, node in whole["properties"].items()}
    keys |= {f"rayline:{key.name}": _secret_node(key) for key in SECRET_KEYS.values()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack of rayline",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": keys,
                "patternProperties": {f"^rayline:(?!({'|'.join(_names(keys))})$)": False},
                "required": [f"rayline:{name}" for name in whole["required"]],
            }
        },
        "$defs": whole["$defs"],
    }


def _names(keys: Mapping[str, Any]) -> list[str]:
    return [key.removeprefix("rayline:") for key in keys]


def _secret_node(key: SecretKey) -> dict[str, Any]:
    one: dict[str, Any] = {
        "type": "object",
        "properties": {"secure": {"type": "string"}},
        "required": ["secure"],
    }
    if not key.encrypted:
        one = {"anyOf": [{"type": "string"}, one]}
    if key.by_user:
        one = {"type": "object", "additionalProperties": one}
    return {**one, "description": f"{key.description} Type: {key.command}"}


def _lenient(node: Any) -> Any:
    """A text may be written as a number in YAML: cpu: 3."""
    if isinstance(node, list):
        return [_lenient(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    changed = {key: _lenient(value) for key, value in node.items()}
    if changed.get("type") == "string" and "enum" not in changed:
        changed["type"] = ["string", "number"]
    return changed


def contents() -> dict[Path, str]:
    return {
        REFERENCE: reference(),
        SCHEMA: json.dumps(editor_schema(), indent=2, ensure_ascii=False) + "\n",
    }


def main(arguments: list[str]) -> int:
    stale = [p for p, text in contents().items() if not p.exists() or p.read_text() != text]
    if arguments == ["--check"]:
        for path in stale:
            print(
                f"{path.name} is stale. Type: python -m infra.settings.reference", file=sys.stderr
            )
        return 1 if stale else 0
    for path in stale:
        path.write_text(contents()[path])
        print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
