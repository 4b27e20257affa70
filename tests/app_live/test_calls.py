"""Calls with curl, as the original hand-made deployment documented them, and with the official
OpenAI client.
"""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import httpx
import openai
import pytest

from bench.serving.service import MODEL, PASSWORD, Service
from sandbox.hub.tiny_model.train import pairs
from tests.app_live.calls import LONG

pytestmark = [pytest.mark.live]

SHORT = {"model": MODEL, "prompt": "Why", "max_tokens": 2}
QUESTION = [{"role": "user", "content": "What is the cache for?"}]


def curl(*words: str) -> Any:
    ran = subprocess.run(
        ["curl", "--silent", *words], check=True, capture_output=True, text=True, timeout=60
    )
    return json.loads(ran.stdout)


class Client(Protocol):
    """Returns an OpenAI client for a role; other options are the client's own."""

    def __call__(self, role: str = "user", **options: Any) -> openai.OpenAI: ...


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with ExitStack() as stack:

        def make(role: str = "user", **options: Any) -> openai.OpenAI:
            given = {"base_url": f"{service.url}/v1", "api_key": service.token(role), **options}
            return stack.enter_context(openai.OpenAI(**{"max_retries": 0, "timeout": 60, **given}))

        yield make


def test_the_two_curl_calls(base: str) -> None:
    login = curl(
        "--location", f"{base}/token",
        "--form", 'username="alice"', "--form", f'password="{PASSWORD}"',
    )  # fmt: skip
    assert login["token_type"] == "bearer"
    answer = curl(
        "--location", f"{base}/v1/chat/completions",
        "-H", "Content-Type: application/json",
        "-H", f"Authorization: Bearer {login['access_token']}",
        "--data", '{"model": "tiny", "messages": [{"role": "user", "content": "Сколько четвергов '
        'в марте 2025 года?"}], "stream": false, "max_tokens": 2000, "temperature": 0.85, '
        '"top_p": 0.95, "top_k": 50, "repetition_penalty": 1.0}',
    )  # fmt: skip
    assert answer["object"] == "chat.completion"
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert answer["choices"][0]["message"]["content"]


def test_the_model_answers_each_question_with_its_paragraph(client: Client) -> None:
    """The engine renders the chat template as the model learned it."""
    for question, paragraph in pairs():
        messages = [{"role": "user", "content": question}]
        answer = client().chat.completions.create(model=MODEL, messages=messages, temperature=0)
        assert answer.choices[0].message.content == paragraph
        assert answer.choices[0].finish_reason == "stop"


def test_open_webui_lists_models_and_streams_with_a_service_token(client: Client) -> None:
    webui = client()
    assert [model.id for model in webui.models.list()] == [MODEL]
    stream = webui.chat.completions.create(
        model=MODEL, messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens >= len(text.split())


def test_async_calls_run_concurrently(service: Service) -> None:
    async def ask() -> list[int]:
        key = service.token("user")
        async with openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key=key) as many:
            asked = [
                many.completions.create(model=MODEL, prompt="Why", max_tokens=20 + n, seed=n)
                for n in range(6)
            ]
            return [answer.usage.completion_tokens for answer in await asyncio.gather(*asked)]

    assert all(0 < count <= 25 for count in asyncio.run(ask()))


def test_the_answer_follows_a_json_schema(client: Client) -> None:
    schema = {
        "type": "object",
        "properties": {"cards": {"enum": [1, 2]}, "fast": {"type": "boolean"}},
        "required": ["cards", "fast"],
        "additionalProperties": False,
    }
    answer = client().chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        max_tokens=100,
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}},
    )
    assert set(json.loads(answer.choices[0].message.content or "")) == {"cards", "fast"}


def test_a_named_tool_is_called(client: Client) -> None:
    parameters = {
        "type": "object",
        "properties": {"city": {"enum": ["Oslo", "Rome"]}},
        "required": ["city"],
    }
    answer = client().chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        max_tokens=100,
        tools=[{"type": "function", "function": {"name": "weather", "parameters": parameters}}],
        tool_choice={"type": "function", "function": {"name": "weather"}},
    )
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.function.name == "weather"
    json.loads(
        call.function.arguments
    )  # valid JSON; vLLM cannot enforce more with so small a model


def test_responses_and_tokenize_come_from_vllm(service: Service, client: Client) -> None:
    answer = client().responses.create(model=MODEL, input="Why?", max_output_tokens=20)
    assert answer.usage is not None
    assert answer.usage.output_tokens > 0
    tokenized = httpx.post(
        f"{service.url}/tokenize",
        json={"model": MODEL, "prompt": "one card"},
        headers=service.headers(),
    )
    assert tokenized.json()["count"] > 0


@pytest.mark.parametrize(
    ("changes", "error", "status"),
    [
        ({"temperature": -1}, openai.BadRequestError, 400),
        ({"model": "no-such-model"}, openai.NotFoundError, 404),
        ({"prompt": "x" * 40_000_000}, openai.APIStatusError, 413),
    ],
)
def test_errors_are_the_clients_typed_exceptions(
    client: Client, changes: dict[str, Any], error: type[Exception], status: int
) -> None:
    with pytest.raises(error) as raised:
        client().completions.create(**{**SHORT, **changes})
    assert isinstance(raised.value, openai.APIStatusError)
    assert raised.value.status_code == status
    assert raised.value.response.json()["error"]["message"]


def test_a_role_without_the_route_gets_403(service: Service, client: Client) -> None:
    with pytest.raises(openai.AuthenticationError):
        client(api_key="no-token").models.list()
    with pytest.raises(openai.PermissionDeniedError):
        client("guest", base_url=service.url).post("/pause", cast_to=object)


def test_a_third_request_in_a_minute_is_429_and_the_client_can_wait(client: Client) -> None:
    limited = client("probe")
    for _ in range(2):
        limited.completions.create(**SHORT)
    with pytest.raises(openai.RateLimitError) as raised:
        limited.completions.create(**SHORT)
    assert 0 < int(raised.value.response.headers["retry-after"]) <= 60


def test_the_clients_timeout_ends_a_long_answer(client: Client) -> None:
    with pytest.raises(openai.APITimeoutError):
        client(timeout=0.3).completions.create(
            model=MODEL, prompt="Why", max_tokens=LONG, extra_body={"ignore_eos": True}
        )
