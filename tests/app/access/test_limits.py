"""Limits of a role over time: names, Retry-After and real usage."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.app.calls import PATH, ask
from tests.app.conftest import Service, chat, run, values
from tests.app.stub import COMPLETION_TOKENS, PROMPT_TOKENS


def roles(**user: Any) -> dict[str, str]:
    return values(ROLES=json.dumps({"user": user}))


def refused(answer: httpx.Response, limit: str) -> int:
    assert answer.status_code == 429
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert answer.headers["x-ratelimit-limit-name"] == limit
    assert limit in answer.json()["error"]["message"]
    return int(answer.headers["retry-after"])


def test_requests_per_minute(make: Callable[..., Service]) -> None:
    service = make(roles(requests_per_minute=3))
    assert [ask(service).status_code for _ in range(3)] == [200] * 3
    wait = refused(ask(service), "requests_per_minute")
    assert ask(service, "gina").status_code == 200
    service.clock.now += wait
    assert ask(service).status_code == 200
    service.clock.now += 600
    assert [ask(service).status_code for _ in range(4)] == [200] * 3 + [429]


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_per_minute_are_counted_by_the_engine(
    make: Callable[..., Service], stream: bool
) -> None:
    each = PROMPT_TOKENS + COMPLETION_TOKENS
    service = make(roles(tokens_per_minute=2 * each - 1, requests_per_minute=None))
    assert [ask(service, stream=stream).status_code for _ in range(2)] == [200] * 2
    wait = refused(ask(service, stream=stream), "tokens_per_minute")
    service.clock.now += wait
    assert ask(service, stream=stream).status_code == 200


def test_concurrent_requests(make: Callable[..., Service]) -> None:
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
    assert ask(service).status_code == 200


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


def test_a_failed_request_is_released(service: Service) -> None:
    service.backend.crash = RuntimeError("engine trouble")
    assert ask(service).status_code == 500
    assert ask(service, n=999).status_code == 400
    assert service.guard.running == 0
