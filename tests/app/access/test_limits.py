"""Limits by role: names, Retry-After, real usage, and what a role may ask for."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.app.conftest import Service, chat, run, values
from tests.app.stub import COMPLETION_TOKENS, PROMPT_TOKENS

PATH = "/v1/chat/completions"


def roles(**user: Any) -> dict[str, str]:
    return values(ROLES=json.dumps({"user": user}))


def post(service: Service, user: str = "bob", **fields: Any) -> httpx.Response:
    async def one() -> httpx.Response:
        async with service.client() as client:
            return await client.post(PATH, json=chat(**fields), headers=service.bearer(user))

    answer: httpx.Response = run(one())
    return answer


def refused(answer: httpx.Response, limit: str) -> int:
    assert answer.status_code == 429
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert answer.headers["x-ratelimit-limit-name"] == limit
    assert limit in answer.json()["error"]["message"]
    return int(answer.headers["retry-after"])


def test_requests_a_minute(make: Callable[..., Service]) -> None:
    service = make(roles(requests_per_minute=3))
    assert [post(service).status_code for _ in range(3)] == [200] * 3
    wait = refused(post(service), "requests_per_minute")
    assert post(service, "gina").status_code == 200
    service.clock.now += wait
    assert post(service).status_code == 200
    service.clock.now += 600
    assert [post(service).status_code for _ in range(4)] == [200] * 3 + [429]


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_a_minute_are_the_engines_own_count(
    make: Callable[..., Service], stream: bool
) -> None:
    each = PROMPT_TOKENS + COMPLETION_TOKENS
    service = make(roles(tokens_per_minute=2 * each - 1, requests_per_minute=None))
    assert [post(service, stream=stream).status_code for _ in range(2)] == [200] * 2
    wait = refused(post(service, stream=stream), "tokens_per_minute")
    service.clock.now += wait
    assert post(service, stream=stream).status_code == 200


def test_requests_at_once(make: Callable[..., Service]) -> None:
    service = make(roles(concurrent=2))
    service.backend.pause_s = 0.05

    async def three() -> list[httpx.Response]:
        async with service.client() as client:
            calls = [
                client.post(PATH, json=chat(stream=True), headers=service.bearer("bob"))
                for _ in range(3)
            ]
            return await asyncio.gather(*calls)

    answers = run(three())
    assert sorted(a.status_code for a in answers) == [200, 200, 429]
    refused(next(a for a in answers if a.status_code == 429), "concurrent")
    assert service.guard.running == 0
    assert post(service).status_code == 200


def test_a_full_replica_refuses_fast(make: Callable[..., Service]) -> None:
    service = make(max_running=4)
    service.backend.pause_s = 0.05

    async def flood() -> list[httpx.Response]:
        async with service.client() as client:
            headers = service.bearer("alice")
            calls = [client.post(PATH, json=chat(stream=True), headers=headers) for _ in range(60)]
            return await asyncio.gather(*calls)

    answers = run(flood())
    assert {a.status_code for a in answers} == {200, 429}
    late = [a for a in answers if a.status_code == 429]
    refused(late[0], "replica_concurrency")
    assert len(service.backend.calls) == len(answers) - len(late)
    assert service.guard.running == 0


def test_failures_give_everything_back(service: Service) -> None:
    service.backend.crash = RuntimeError("engine trouble")
    assert post(service).status_code == 500
    assert post(service, n=999).status_code == 400
    assert service.guard.running == 0


@pytest.mark.parametrize(
    ("path", "fields", "status", "sent"),
    [
        (PATH, {"max_tokens": 101}, 400, None),
        (PATH, {"max_completion_tokens": 101}, 400, None),
        ("/v1/responses", {"max_output_tokens": 101}, 400, None),
        (PATH, {"max_tokens": "101"}, 400, None),
        (PATH, {"max_tokens": 100}, 200, {}),
        (PATH, {}, 200, {"max_completion_tokens": 100}),
        (PATH, {"max_tokens": None}, 200, {"max_completion_tokens": 100}),
        ("/v1/completions", {}, 200, {}),
        ("/v1/completions", {"max_tokens": None}, 200, {"max_tokens": 100}),
        ("/v1/responses", {}, 200, {"max_output_tokens": 100}),
        ("/v1/embeddings", {}, 200, {}),
    ],
)
def test_the_cap_of_completion_tokens(
    make: Callable[..., Service], path: str, fields: dict[str, Any], status: int, sent: Any
) -> None:
    service = make(roles(max_tokens=100))

    async def one() -> httpx.Response:
        async with service.client() as client:
            return await client.post(path, json=fields, headers=service.bearer("bob"))

    assert run(one()).status_code == status
    if status == 200:
        assert json.loads(service.backend.calls[0][2]) == {**fields, **sent}
    else:
        assert service.backend.calls == []


def test_no_cap_is_written_in_where_the_model_is_smaller(make: Callable[..., Service]) -> None:
    service = make(roles(max_tokens=100))
    service.backend.model_length = 64
    assert post(service).status_code == 200
    assert json.loads(service.backend.calls[0][2]) == chat()


def test_allowed_models(make: Callable[..., Service]) -> None:
    service = make(roles(models=["tiny"]), model_name="tiny")
    assert post(service).status_code == 200
    assert post(service, model=None).status_code == 200
    answer = post(service, model="other")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_allowed")
    assert post(service, model=["tiny"]).status_code == 403


def test_priority_is_the_roles(make: Callable[..., Service]) -> None:
    service = make(values(), priority=True)
    assert post(service, "gina", max_tokens=5).status_code == 200
    assert json.loads(service.backend.calls[0][2])["priority"] == 100
    assert post(service, "gina", priority=-5).status_code == 400
