"""Prints the routes of vLLM's application as JSON: lists of [method, path].

It is a separate process, so that the tests do not import vLLM. `served` is the application of a
generating model, as our service builds it. `source` is every route in vLLM's sources, including
those that only some model, option or environment variable adds.
"""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

VERBS = ("get", "post", "put", "delete", "patch", "head", "options", "websocket")
ROUTERS = ("router", "app")
# A separate server for the probes of many engines that one process supervises.
NOT_THE_APPLICATION = frozenset({"dp_supervisor.py"})


def served() -> list[tuple[str, str]]:
    """The application that `app.engine.engine` builds, without an engine: its routes need none."""
    from vllm.entrypoints.launchers.app import build_app

    from app.access import routes
    from app.engine.arguments import parse

    return routes.live(build_app(parse({"model": "tiny"}), ("generate",), None))


def source() -> list[tuple[str, str]]:
    """Decorators `@router.post("/path")` and calls `router.add_api_route("/path", ...)`."""
    import vllm

    (root,) = vllm.__path__
    declared: set[tuple[str, str]] = set()
    for file in (Path(root) / "entrypoints").rglob("*.py"):
        if file.name in NOT_THE_APPLICATION:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                declared |= set(_written(node))
    return sorted(declared)


def _written(call: ast.Call) -> Iterator[tuple[str, str]]:
    function = call.func
    if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
        return
    if not function.value.id.endswith(ROUTERS) or not call.args:
        return
    path = call.args[0]
    if not (isinstance(path, ast.Constant) and str(path.value).startswith("/")):
        return
    if function.attr in VERBS:
        yield function.attr.upper(), str(path.value)
    elif function.attr in ("add_api_route", "api_route"):
        methods = next((k.value for k in call.keywords if k.arg == "methods"), None)
        for method in ast.literal_eval(methods) if methods is not None else ("GET",):
            yield method, str(path.value)


if __name__ == "__main__":
    # Importing vLLM may print; the answer is the last line.
    sys.stdout.write("\n" + json.dumps({"served": served(), "source": source()}) + "\n")
