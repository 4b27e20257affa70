"""Widens a JSON Schema by the values that pydantic accepts in its lax mode, which vLLM uses.

https://docs.pydantic.dev/latest/concepts/conversion_table/: a text may replace a number, and some
texts and the numbers 0 and 1 a boolean. A schema cannot express that, and should not, because
clients are generated from it.
"""

from typing import Any

NUMBER = r"^\s*[+-]?(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$|^\s*[+-]?([iI]nf|[nN]a[nN])"
BOOLEAN = r"^(?i:0|1|off|on|f|t|false|true|n|y|no|yes)$"
ALSO: dict[str, list[dict[str, Any]]] = {
    "boolean": [{"enum": [0, 1]}, {"type": "string", "pattern": BOOLEAN}],
    "integer": [{"type": "boolean"}, {"type": "string", "pattern": NUMBER}],
    "number": [{"type": "boolean"}, {"type": "string", "pattern": NUMBER}],
}
# Values, not schemas.
DATA = frozenset({"const", "default", "enum", "example", "examples"})


def widened(schema: Any) -> Any:
    """The schema of every value that pydantic would accept for the given schema."""
    if isinstance(schema, list):
        return [widened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: value if key in DATA else widened(value) for key, value in schema.items()}
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    also = [form for kind in kinds if isinstance(kind, str) for form in ALSO.get(kind, [])]
    return {"anyOf": [inner, *also]} if also and "enum" not in schema else inner


_SCHEMAS = "#/components/schemas/"


def with_lax_requests(document: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document whose JSON requests are widened; its answers stay as they are."""
    schemas = document["components"]["schemas"]
    lax = {f"Lax.{name}": _redirected(widened(schema)) for name, schema in schemas.items()}
    paths = {
        path: {verb: _with_lax_request(operation) for verb, operation in item.items()}
        for path, item in document["paths"].items()
    }
    components = {**document["components"], "schemas": {**schemas, **lax}}
    return {**document, "paths": paths, "components": components}


def _with_lax_request(operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return operation
    schema = _redirected(widened(content["application/json"]["schema"]))
    body = {
        **operation["requestBody"],
        "content": {**content, "application/json": {"schema": schema}},
    }
    return {**operation, "requestBody": body}


def _redirected(schema: Any) -> Any:
    """The schema with references to the widened ones, in discriminators too."""
    if isinstance(schema, list):
        return [_redirected(item) for item in schema]
    if isinstance(schema, dict):
        return {key: _redirected(value) for key, value in schema.items()}
    if isinstance(schema, str) and schema.startswith(_SCHEMAS):
        return _SCHEMAS + "Lax." + schema.removeprefix(_SCHEMAS)
    return schema
