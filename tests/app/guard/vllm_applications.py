"""What vLLM 0.32's applications say about themselves: the committed snapshot.

`python -m tests.app_live.vllm_openapi --write` makes it with the real vLLM, and
tests/app_live/test_fields_live.py compares the two.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

SNAPSHOT = Path(__file__).with_name("vllm_openapi.json")
Document = dict[str, Any]


@cache
def applications() -> dict[str, Document]:
    """The OpenAPI documents, reduced to the bodies of POST routes, by kind of model."""
    found: dict[str, Document] = json.loads(SNAPSHOT.read_text())
    return found


@cache
def all_routes() -> Document:
    """One document with the routes of all applications, for a stub that has them all."""
    documents = applications().values()
    schemas = [document["components"]["schemas"] for document in documents]
    return {
        "paths": {path: item for document in documents for path, item in document["paths"].items()},
        "components": {"schemas": {name: one for some in schemas for name, one in some.items()}},
    }
