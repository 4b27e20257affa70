"""The tokens that are counted are those of the answer's `usage`, for each route and mode."""

import json
import socket
import time
from typing import Any

import httpx
import pytest

from bench.serving.service import MODEL, Service
from tests.app_live.calls import completion
from tests.app_live.test_abort import ask

pytestmark = [pytest.mark.live]

SHORT: dict[str, Any] = {"model": MODEL, "max_tokens": 7, "ignore_eos": True, "temperature": 1.0}
PROMPT = "What is the cache for?"
CHAT = {**SHORT, "messages": [{"role": "user", "content": PROMPT}]}
BEAMS = {"use_beam_search": True, "n": 3}
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
ANTHROPIC = {"model": MODEL, "max_tokens": 7, "messages": CHAT["messages"]}
MODES: dict[str, tuple[str, dict[str, Any]]] = {
    "completion": ("/v1/completions", {**SHORT, "prompt": PROMPT}),
    "several prompts": ("/v1/completions", {**SHORT, "prompt": [PROMPT, "Why?", "And then?"]}),
    "several answers": ("/v1/completions", {**SHORT, "prompt": PROMPT, "n": 3}),
    "prompts and answers": ("/v1/completions", {**SHORT, "prompt": [PROMPT, "Why?"], "n": 2}),
    "token ids": ("/v1/completions", {**SHORT, "prompt": [5, 6, 7, 8]}),
    "echo": ("/v1/completions", {**SHORT, "prompt": PROMPT, "echo": True}),
    "stream": ("/v1/completions", {**SHORT, **STREAM, "prompt": [PROMPT, "Why?"], "n": 2}),
    "beams": ("/v1/completions", {**SHORT, **BEAMS, "prompt": PROMPT}),
    "beams of prompts": ("/v1/completions", {**SHORT, **BEAMS, "prompt": [PROMPT, "Why?"]}),
    "chat": ("/v1/chat/completions", CHAT),
    "chat, several answers": ("/v1/chat/completions", {**CHAT, "n": 3}),
    "chat, stream": ("/v1/chat/completions", {**CHAT, **STREAM, "n": 2}),
    "chat, beams": ("/v1/chat/completions", {**CHAT, **BEAMS}),
    "chat, batch": ("/v1/chat/completions/batch", {**CHAT, "messages": [CHAT["messages"]] * 2}),
    "chat, cached": ("/v1/chat/completions", CHAT),
    "response": ("/v1/responses", {"model": MODEL, "input": PROMPT, "max_output_tokens": 7}),
    "response, stream": (
        "/v1/responses",
        {"model": MODEL, "input": PROMPT, "max_output_tokens": 7, "stream": True},
    ),
    "message": ("/v1/messages", ANTHROPIC),
    "message, stream": ("/v1/messages", {**ANTHROPIC, "stream": True}),
}


def usage(answer: httpx.Response) -> tuple[int, int]:
    """Prompt and completion tokens, as the answer or its last event with a usage reports them."""
    reported: dict[str, Any] = {}
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    for text in lines or [answer.text]:
        event = {} if text == "[DONE]" else json.loads(text)
        for place in (event, event.get("response") or {}, event.get("message") or {}):
            reported.update(place.get("usage") or {})
    names = ("prompt_tokens", "completion_tokens") if "prompt_tokens" in reported else (
        "input_tokens", "output_tokens")  # fmt: skip
    return reported[names[0]], reported[names[1]]


def field(line: str, name: str) -> str:
    return line.partition(f" {name}=")[2].split()[0]


def counted(line: str) -> tuple[int, int]:
    return int(field(line, "prompt_tokens")), int(field(line, "completion_tokens"))


@pytest.mark.parametrize("mode", MODES)
def test_counts_are_those_of_the_answer(service: Service, mode: str) -> None:
    path, body = MODES[mode]
    marks = service.log_marks()
    answer = httpx.post(f"{service.url}{path}", json=body, headers=service.headers(), timeout=60)
    assert answer.status_code == 200, answer.text
    line = service.logged(f"route={path} ", marks, 5)
    assert counted(line) == usage(answer)
    assert field(line, "end") == "complete"
    assert field(line, "address") == "127.0.0.1"
    assert 0 < float(field(line, "first_token_ms")) <= float(field(line, "ms")) + 1


LONG_PROMPT = 15_000
ABANDONED: dict[str, dict[str, Any]] = {
    "one answer": {},
    "stream": {"stream": True},
    "several answers": {"n": 2},
    "several answers, stream": {"n": 2, "stream": True},
}


@pytest.mark.parametrize("mode", ABANDONED)
def test_a_prompt_that_is_abandoned_during_its_prefill_is_counted(
    service: Service, base: str, mode: str
) -> None:
    body = completion(prompt=[7] * LONG_PROMPT, max_tokens=1000, **ABANDONED[mode])
    marks = service.log_marks()
    with ask(base, "/v1/completions", body, service.headers()) as connection:
        time.sleep(0.15)
        connection.shutdown(socket.SHUT_RDWR)
    line = service.logged("route=/v1/completions", marks, 30)
    assert field(line, "end") == "client_gone"
    prompt, generated = counted(line)
    assert prompt == LONG_PROMPT
    assert generated < 1000


def test_an_abandoned_beam_search_counts_its_prompt_once(service: Service, base: str) -> None:
    body = completion(prompt=PROMPT, max_tokens=4000, **BEAMS)
    marks = service.log_marks()
    with ask(base, "/v1/completions", body, service.headers()):
        time.sleep(1)
    line = service.logged("route=/v1/completions", marks, 30)
    prompt, generated = counted(line)
    assert field(line, "end") == "client_gone"
    assert 0 < prompt < 50
    assert 10 < generated < 4000 * 3


def finished(url: str, headers: dict[str, str]) -> Any:
    """The stored answer, once it is complete."""
    deadline = time.monotonic() + 60
    while True:
        answer = httpx.get(url, headers=headers, timeout=30).json()
        if answer["status"] not in ("queued", "in_progress"):
            return answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def test_an_answer_in_the_background_is_counted_at_its_end(redeployable: Service) -> None:
    """The engine keeps such answers only where its operator has turned that on."""
    redeployable.deploy(VLLM_ENABLE_RESPONSES_API_STORE="1")
    headers = redeployable.headers()
    body = {"model": MODEL, "input": PROMPT, "max_output_tokens": 60, "background": True}
    marks = redeployable.log_marks()
    url = f"{redeployable.url}/v1/responses"
    answer = httpx.post(url, json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "queued"
    done = finished(f"{url}/{answer.json()['id']}", headers)
    line = redeployable.logged("method=POST route=/v1/responses ", marks, 5)
    assert counted(line) == (done["usage"]["input_tokens"], done["usage"]["output_tokens"])
