"""The data: which kind each field of each of vLLM's request models has.

A model is known by the last part of its schema's name in OpenAPI, because pydantic puts the module
in front only where two models of one application share a name. A field that OpenAPI has and this
data lacks is closed. tests/app/guard/test_fields_census.py names it.
"""

from collections.abc import Mapping
from typing import Any

from app.guard.fields import kinds
from app.guard.fields.placement import cohere, generation, messages, own, pooling, responses
from app.guard.fields.placement.names import Fields

_MODULES = (generation, messages, pooling, responses, cohere, own)
_NAMED: Mapping[str, Fields] = {
    name: fields for part in _MODULES for name, fields in part.PLACES.items()
}
EVERYWHERE: Fields = {
    name: kind
    for fields in (*generation.PLACES.values(), *pooling.PLACES.values())
    for name, kind in fields.items()
    if kind in (kinds.PRIVILEGED, kinds.PRIORITY) and not name.startswith("_")
}
"""Fields that are privileged at the top of every body, whether the route's model has them or not:
models of OpenAI's routes keep additional fields as attributes, which shared code reads by name."""
PLACES: Mapping[str, Fields] = {**_NAMED, "Everywhere": EVERYWHERE}
SCHEMAS: Mapping[str, Any] = {
    name: {
        "properties": {
            field: {"$ref": own.REFERENCES[f"{name}.{field}"]}
            if f"{name}.{field}" in own.REFERENCES
            else {}
            for field in fields
        }
    }
    for name, fields in {**own.PLACES, "Everywhere": EVERYWHERE}.items()
}
"""Schemas in the form of OpenAPI's for the places that only this data has."""
