"""Every field of vLLM 0.32 has been placed, and nothing has been placed that it lacks."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.access import routes
from app.guard.cost import work
from app.guard.fields import kinds
from app.guard.fields.kinds import Kind
from app.guard.fields.placement import PLACES, cohere, own
from app.guard.fields.schema import short
from app.guard.fields.table import Table
from tests.app.guard.vllm_applications import all_routes, applications

# The route without a body, and the route that needs a package which vLLM does not require.
UNDESCRIBED = {"/v1/responses/{response_id}/cancel", "/cohere/v2/chat"}


def models() -> Iterator[tuple[str, str, Any]]:
    """(model, field, schema) of every field of every application."""
    for document in applications().values():
        for name, schema in document["components"]["schemas"].items():
            for field, value in schema.get("properties", {}).items():
                yield short(name), field, value


def free(schema: Any) -> bool:
    """Whether a value may be an object with names of the client's choice and any values."""
    if not schema or schema.get("additionalProperties") is True:
        return "properties" not in schema
    inner = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]
    return any(free(one) for one in inner)


def body_fields(path: str) -> dict[str, Kind]:
    """The fields at the top of a route's body, with their kinds."""
    found: dict[str, Kind] = {}
    schemas = all_routes()["components"]["schemas"]
    waiting: list[Any] = [all_routes()["paths"][path]]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            name = value.get("$ref", "").rpartition("/")[2]
            if "properties" in schemas.get(name, {}):
                found |= PLACES[short(name)]
            else:
                waiting += value.values()
    return found


@pytest.mark.parametrize("kind", applications())
def test_every_field_is_placed(kind: str) -> None:
    """A new vLLM fails here until someone has read what it does with its new fields."""
    assert Table(applications()[kind]).unplaced == frozenset()


def test_nothing_is_placed_that_vllm_lacks() -> None:
    known = {(model, field) for model, field, _ in models()}
    placed = {(model, field) for model, fields in PLACES.items() for field in fields}
    ours = {*own.PLACES, *cohere.PLACES, "Everywhere"}
    assert {(model, field) for model, field in placed - known if model not in ours} == set()


def test_free_json_is_never_taken_for_a_plain_value() -> None:
    plain = {
        f"{model}.{field}"
        for model, field, schema in models()
        if free(schema) and PLACES[model][field] is kinds.PLAIN
    }
    assert plain == set()


def test_every_route_with_a_body_is_described() -> None:
    described = {path for path, item in all_routes()["paths"].items() if item["post"]}
    needed = {
        route.template
        for (method, _), route in routes.TABLE.items()
        if method == "POST" and route.group not in (routes.OPERATE, routes.PUBLIC)
    }
    assert needed - described == UNDESCRIBED


@pytest.mark.parametrize(
    "path", [path for path, item in all_routes()["paths"].items() if item["post"]]
)
def test_what_multiplies_is_the_same_in_the_placement_and_in_the_work(path: str) -> None:
    fields = body_fields(path)

    def of(kind: Kind) -> set[str]:
        return {name for name, found in fields.items() if found == kind}

    assert set(work.CAPS.get(path, ())) == of(kinds.CAP)
    assert of(kinds.CHOICES) <= set(work.CHOICES)
    if of(kinds.CHOICES) or of(kinds.BEAMS):
        assert path in work.CAPS
    several = {kinds.PROMPTS, kinds.QUESTIONS}
    generated = of(kinds.CAP) or path in work.SEVERAL
    if generated and several & set(fields.values()):
        assert path in work.SEVERAL
    # It would make every prompt as long as the model's context.
    assert fields.get("padding", kinds.PRIVILEGED) == kinds.PRIVILEGED


def test_the_work_is_that_of_listed_routes() -> None:
    assert {("POST", path) for path in {*work.CAPS, *work.SEVERAL}} <= set(routes.TABLE)
