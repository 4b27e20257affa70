"""The served description: only the routes of the caller, with every possible answer."""

import json
from functools import partial
from typing import Any

import pytest

from app.access import routes
from app.access.roles import DEFAULTS
from app.guard import credential, openapi
from app.guard.rewriting import rewriting
from tests.app.conftest import Service, run

VERBS = ("get", "post")
OPEN = {("post", "/token"), ("get", "/"), ("get", "/health"), ("get", "/ready")}


def served(service: Service, user: str) -> dict[str, Any]:
    async def call() -> Any:
        async with service.client() as client:
            answer = await client.get("/openapi.json", headers=service.bearer(user))
            assert answer.status_code == 200
            assert int(answer.headers["content-length"]) == len(answer.content)
            return answer.json()

    document: dict[str, Any] = run(call())
    return document


def operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(verb, path) for path, item in document["paths"].items() for verb in item}


@pytest.mark.parametrize("user", ["alice", "bob"])
def test_exactly_the_routes_of_the_role_are_described(service: Service, user: str) -> None:
    role = DEFAULTS[{"alice": "admin", "bob": "user"}[user]]
    described = operations(served(service, user))
    assert described >= OPEN
    for verb, path in described - OPEN:
        assert routes.required_group(verb.upper(), path) in role.groups, (verb, path)
    listed = {(r.method.lower(), r.template) for r in routes.TABLE.values()}
    assert described <= listed
    everything = operations(service.backend.app.openapi()) & listed
    closed = everything - described
    assert all(routes.required_group(v.upper(), p) not in role.groups for v, p in closed)


def test_the_answers_of_the_guard_are_in_each_operation(service: Service) -> None:
    document = served(service, "bob")
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            answers = set(operation["responses"])
            if (verb, path) in OPEN:
                assert operation["security"] == []
                continue
            assert answers >= {"200", "400", "401", "403", "404", "429", "431", "500", "503"}
            both: Any = [{"bearer": []}, {"key": []}]
            assert operation.get("security") == (both if credential.takes_key(path) else None)
            assert ({"408", "413"} <= answers) == (verb == "post")
            assert "Retry-After" in operation["responses"]["429"]["headers"]
    assert document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_the_description_by_vllm_is_kept() -> None:
    good = {"description": "fine", "content": {"text/event-stream": {"schema": {}}}}
    engine = {
        "openapi": "3.1.0",
        "info": {"title": "vLLM", "version": "1"},
        "servers": [{"url": "/m"}],
        "paths": {
            "/v1/completions": {
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": {}}}},
                    "responses": {"200": good, "501": {"description": "not built in"}, "422": {}},
                }
            },
            "/pause": {"post": {"responses": {"200": good}}},
            "/brand_new": {"get": {"responses": {"200": good}}},
        },
        "components": {"schemas": {"Theirs": {"type": "object"}}},
    }
    before = json.dumps(engine)
    made = openapi.describe(engine, DEFAULTS["user"].groups)
    assert json.dumps(engine) == before
    assert set(made["paths"]) == {"/token", "/", "/health", "/ready", "/v1/completions"}
    operation = made["paths"]["/v1/completions"]["post"]
    assert operation["requestBody"] == engine["paths"]["/v1/completions"]["post"]["requestBody"]  # type: ignore[index]
    assert operation["responses"]["200"] == good
    assert "501" not in operation["responses"]  # the guard answers 404
    schema = operation["responses"]["422"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Error"}
    assert set(made["components"]["schemas"]) == {"Theirs", "Error"}
    assert made["servers"] == [{"url": "/m"}]


def test_an_error_instead_of_the_description_passes_unchanged() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def call() -> None:
        passed = rewriting(send, partial(openapi.described, groups=frozenset()))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await passed({"type": "http.response.start", "status": 404, "headers": headers})
        await passed({"type": "http.response.body", "body": b"{", "more_body": True})
        await passed({"type": "http.response.body", "body": b"}"})

    run(call())
    assert sent[0]["status"] == 404
    assert sent[1] == {"type": "http.response.body", "body": b"{}"}
