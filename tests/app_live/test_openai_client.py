"""The official OpenAI client: async calls, retries and typed errors.

`test_calls.py` has the other calls. A small text model never returns two of vLLM's statuses: 422 (a
medium that cannot be fetched) and 503 (no engine, see `test_recovery.py`). For these the client
calls the same guard in front of a stub.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from starlette.responses import JSONResponse

from bench.serving.service import MODEL, Service
from tests.app.conftest import Service as Stubbed
from tests.app.conftest import build, values
from tests.app.stub import described
from tests.app_live.calls import LONG
from tests.app_live.extra_role import extra_role

pytestmark = [pytest.mark.live]

QUESTION: Any = [{"role": "user", "content": "What is the cache for?"}]
SHORT: dict[str, Any] = {"model": MODEL, "messages": QUESTION, "max_tokens": 4}


def test_async_streams_run_concurrently_and_end(service: Service) -> None:
    async def one(client: openai.AsyncOpenAI) -> tuple[str, int]:
        stream = await client.chat.completions.create(
            **{**SHORT, "max_tokens": 30}, stream=True, stream_options={"include_usage": True}
        )
        text, used = "", 0
        async for chunk in stream:
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
            used = chunk.usage.completion_tokens if chunk.usage else used
        return text, used

    async def ask() -> list[tuple[str, int]]:
        key = service.token("user")
        async with openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key=key) as client:
            return await asyncio.gather(*(one(client) for _ in range(4)))

    for text, used in asyncio.run(ask()):
        assert text
        assert 0 < used <= 30


@pytest.mark.parametrize(
    ("role", "changes", "error", "status"),
    [
        ("user", {"temperature": -1}, openai.BadRequestError, 400),
        ("user", {"n": 1000}, openai.BadRequestError, 400),
        ("", {}, openai.AuthenticationError, 401),
        ("user", {"model": "no-such-model"}, openai.NotFoundError, 404),
        ("user", {"user": "x" * 5_000_000}, openai.APIStatusError, 413),
    ],
)
def test_async_errors_are_typed(
    service: Service, role: str, changes: dict[str, Any], error: type[Exception], status: int
) -> None:
    async def ask() -> None:
        key = service.token(role) if role else "not-a-token"
        async with openai.AsyncOpenAI(
            base_url=f"{service.url}/v1", api_key=key, max_retries=0
        ) as client:
            await client.chat.completions.create(**{**SHORT, **changes})

    with pytest.raises(error) as raised:
        asyncio.run(ask())
    assert isinstance(raised.value, openai.APIStatusError)
    assert raised.value.status_code == status
    assert raised.value.response.json()["error"]["message"]
    assert raised.value.request_id


def test_the_client_retries_after_a_limit(service: Service) -> None:
    """With 30 calls per minute, an excess one gets 429 with Retry-After, and the client's retry
    succeeds.
    """
    statuses: list[int] = []
    hooks = {"response": [lambda answer: statuses.append(answer.status_code)]}
    with (
        extra_role(
            service, "hasty", groups=["inference", "models", "describe"], requests_per_minute=30
        ) as headers,
        httpx.Client(event_hooks=hooks) as http,
        openai.OpenAI(
            base_url=f"{service.url}/v1",
            api_key=headers["Authorization"].removeprefix("Bearer "),
            http_client=http,
            max_retries=3,
        ) as client,
    ):
        calls = 0
        while 429 not in statuses:
            client.models.list()
            calls += 1
            assert calls < 300
        client.chat.completions.create(**SHORT)
    assert statuses.count(200) == calls + 1
    assert set(statuses) == {200, 429}


def test_an_abandoned_stream_is_closed(service: Service) -> None:
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key=service.token("user")) as client:
        with client.chat.completions.create(**{**SHORT, "max_tokens": LONG}, stream=True) as stream:
            next(iter(stream))
        assert client.chat.completions.create(**SHORT).choices


@pytest.fixture
def stubbed() -> Iterator[Stubbed]:
    made = build(values())
    yield made
    made.guard.close()


def raised_by(stubbed: Stubbed) -> openai.APIStatusError:
    async def ask() -> None:
        http = httpx.AsyncClient(transport=httpx.ASGITransport(stubbed.guard))
        async with openai.AsyncOpenAI(
            base_url="http://test/v1", api_key=stubbed.token("bob"), http_client=http, max_retries=0
        ) as client:
            await client.chat.completions.create(**SHORT)

    with pytest.raises(openai.APIStatusError) as raised:
        asyncio.run(ask())
    return raised.value


def test_422_of_the_engine_raises_unprocessable_entity(stubbed: Stubbed) -> None:
    error = {"message": "no such image", "type": "UnprocessableEntityError", "code": 422}
    stubbed.backend.app = described(JSONResponse({"error": error}, status_code=422))
    answer = raised_by(stubbed)
    assert isinstance(answer, openai.UnprocessableEntityError)
    assert answer.body == error


def test_503_without_an_engine_has_retry_after(stubbed: Stubbed) -> None:
    stubbed.backend.is_alive = False
    answer = raised_by(stubbed)
    assert isinstance(answer, openai.InternalServerError)
    assert answer.status_code == 503
    assert int(answer.response.headers["retry-after"]) > 0
