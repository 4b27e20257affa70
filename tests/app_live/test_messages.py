"""No message of a client causes a 500 of the real engine; messages that it can read pass."""

import json
import random
from typing import Any

import httpx
import pytest

from bench.serving.service import MODEL, Service
from tests.app_live.extra_role import extra_role
from tests.app_live.random_messages import message

pytestmark = [pytest.mark.live]

SEEDS = (1, 2)
REQUESTS = 300
TEXT = {"type": "output_text", "text": "Because.", "annotations": []}
SAID = {"type": "message", "role": "assistant", "content": [TEXT]}
ASKED = {"role": "user", "content": [{"type": "input_text", "text": "Why?"}]}
RETURNED = {
    "type": "function_call_output",
    "call_id": "1",
    "output": [{"type": "input_text", "text": "x"}],
}
FIELDS = {"/v1/responses": "input", "/v1/chat/completions": "messages"}
CAPS = {"/v1/responses": "max_output_tokens", "/v1/chat/completions": "max_tokens"}


@pytest.fixture(scope="module")
def client(service: Service) -> Any:
    with (
        extra_role(service, "writer", groups=["inference"]) as headers,
        httpx.Client(base_url=service.url, headers=headers, timeout=60) as open_client,
    ):
        yield open_client


def ask(client: httpx.Client, path: str, messages: list[Any]) -> httpx.Response:
    return client.post(path, json={"model": MODEL, FIELDS[path]: messages, CAPS[path]: 1})


@pytest.mark.parametrize("path", FIELDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_messages_are_answered_or_refused(
    client: httpx.Client, path: str, seed: int
) -> None:
    chance = random.Random(seed)
    failed, answered = [], 0
    for _ in range(REQUESTS):
        messages = [message(chance) for _ in range(chance.choice((1, 1, 2, 3)))]
        answer = ask(client, path, messages)
        answered += answer.status_code == 200
        if answer.status_code not in (200, 400):
            failed.append(f"{answer.status_code}: {json.dumps(messages)}")
    assert failed == []
    assert answered > REQUESTS / 50


@pytest.mark.parametrize(
    "item",
    [
        {**SAID, "content": []},
        {**SAID, "content": [{"type": "refusal", "refusal": "x"}]},
        {"id": "x", "role": "assistant", "content": ["x"]},
        {"id": "x", "role": "user", "content": [1]},
        {**RETURNED, "id": "x", "status": "completed", "created_by": "x"},
    ],
)
def test_a_message_that_the_engine_cannot_read_is_a_400(
    client: httpx.Client, item: dict[str, Any]
) -> None:
    answer = ask(client, "/v1/responses", [ASKED, item])
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unsupported_message"
    assert answer.json()["error"]["param"] == "input"


@pytest.mark.parametrize(
    "item",
    [
        SAID,
        {**SAID, "content": [TEXT, {"type": "refusal", "refusal": "x"}]},
        {"role": "assistant", "content": "Because."},
        {"role": "assistant", "content": []},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "x"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "x"},
        RETURNED,
        {**RETURNED, "id": "x", "status": "completed"},
    ],
)  # fmt: skip
def test_messages_that_the_engine_can_read_pass(client: httpx.Client, item: dict[str, Any]) -> None:
    answer = ask(client, "/v1/responses", [ASKED, item, ASKED])
    assert answer.status_code == 200, answer.text
