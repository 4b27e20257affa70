"""Prints what vLLM's applications say about the bodies of their POST routes, as JSON.

It is a separate process, so that the tests do not import vLLM. `generate` is the application of a
model that generates text and transcribes audio, `pooling` that of a model that embeds, classifies
and scores. Descriptions, titles and defaults are left out: they decide nothing and change often.
`python -m tests.app_live.vllm_openapi --write` writes the snapshot that the fast tests use.
"""

import json
import sys
from types import SimpleNamespace
from typing import Any

from tests.app.guard.vllm_applications import SNAPSHOT

TASKS = {"generate": ("generate", "transcription"), "pooling": ("embed", "classify")}
_KEPT = (
    *("$ref", "anyOf", "oneOf", "allOf", "const", "enum", "type", "items", "prefixItems"),
    *("properties", "additionalProperties"),
)


def applications() -> dict[str, Any]:
    """vLLM's applications as `app.engine.engine` builds them, without an engine."""
    from vllm.entrypoints.launchers.app import build_app

    from app.engine.arguments import parse

    # The routes of a pooling model depend on its configuration; this one has all of them.
    model = SimpleNamespace(get_pooling_task=lambda _: "embed")
    return {
        name: build_app(parse({"model": "tiny"}), tasks, model if name == "pooling" else None)
        for name, tasks in TASKS.items()
    }


def essence(document: dict[str, Any]) -> dict[str, Any]:
    """The POST routes with their bodies, and the schemas that these mention."""
    schemas = document["components"]["schemas"]
    paths = {
        path: {"post": {"requestBody": _contents(item["post"])} if _contents(item["post"]) else {}}
        for path, item in document["paths"].items()
        if "post" in item
    }
    named: dict[str, Any] = {}
    waiting = list(_names(paths))
    while waiting:
        name = waiting.pop()
        if name not in named:
            named[name] = _reduced(schemas[name])
            waiting += _names(named[name])
    return {"paths": paths, "components": {"schemas": dict(sorted(named.items()))}}


def _contents(operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    made = {kind: {"schema": _reduced(value["schema"])} for kind, value in content.items()}
    return {"content": made} if made else {}


def _reduced(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_reduced(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key in _KEPT:
        if key in ("const", "enum", "type", "$ref") and key in schema:
            kept[key] = schema[key]
        elif key == "properties" and key in schema:
            kept[key] = {name: _reduced(value) for name, value in schema[key].items()}
        elif key in schema:
            kept[key] = _reduced(schema[key])
    return kept


def _names(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for item in schema for name in _names(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].rpartition("/")[2]] if isinstance(schema.get("$ref"), str) else []
    return own + [name for value in schema.values() for name in _names(value)]


def one_model_per_line(documents: dict[str, Any]) -> str:
    """JSON in which a changed route or model is one changed line."""

    def members(given: dict[str, Any]) -> str:
        return ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in given.items())

    made = [
        f'"{name}": {{"paths": {{\n{members(document["paths"])}\n}},\n'
        f'"components": {{"schemas": {{\n{members(document["components"]["schemas"])}\n}}}}}}'
        for name, document in documents.items()
    ]
    return "{\n" + ",\n".join(made) + "\n}\n"


def main() -> None:
    """Print the reduced documents, or write them to the snapshot with `--write`."""
    found = {name: essence(app.openapi()) for name, app in applications().items()}
    if sys.argv[1:] == ["--write"]:
        SNAPSHOT.write_text(one_model_per_line(found))
    else:
        # Importing vLLM may print; the answer is the last line.
        sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
