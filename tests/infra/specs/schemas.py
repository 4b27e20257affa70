"""The schemas by which the API server validates objects, for tests without an API server."""

from typing import Any

import jsonschema

from infra.settings.framework.kuberay import spec_schema


def problems(kind: str, spec: Any) -> list[str]:
    """What the API server would refuse, or drop silently because there is no such field."""
    validator = jsonschema.Draft202012Validator(closed(spec_schema(kind)))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(spec)]


def closed(schema: Any) -> Any:
    """The schema, but refusing unknown fields, which the API server would only drop."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        is_open = schema.get("x-kubernetes-preserve-unknown-fields") or (
            "additionalProperties" in schema
        )
        if not is_open:
            inner["additionalProperties"] = False
    return inner
