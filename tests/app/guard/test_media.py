"""Addresses that vLLM would fetch are judged wherever they stand, in every spelling."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.app.calls import PATH as CHAT
from tests.app.conftest import Service
from tests.app.guard.requests import EVIL, PICTURE, claude, image, message, refusal

BATCH, RESPONSES, CLAUDE = f"{CHAT}/batch", "/v1/responses", "/v1/messages"
EMBED, SCORE = "/v1/embeddings", "/score"
GOOD = "https://images.example/a"


@pytest.fixture
def bounded(make: Callable[..., Service]) -> Service:
    return make(media_domains=frozenset({"images.example"}))


def fetched(url: Any) -> list[tuple[str, dict[str, Any]]]:
    """Every place and spelling in which vLLM 0.32 takes an address for a medium."""
    part = {"type": "image_url", "image_url": {"url": url}}
    source = {"type": "image", "source": {"type": "url", "url": url}}
    user = {"role": "user"}
    parts: list[dict[str, Any]] = [
        part,
        {"type": "input_image", "image_url": url},
        {"type": "audio_url", "audio_url": {"url": url}},
        {"type": "video_url", "video_url": {"url": url}},
        {"image_url": url},
        {"audio_url": url},
        {"video_url": url},
    ]
    result = {"type": "tool_result", "tool_use_id": "1", "content": [source]}
    calls = {"type": "function_call_output", "call_id": "1", "output": parts[1:2]}
    requests: list[tuple[str, dict[str, Any]]] = [
        *((CHAT, message(one)) for one in parts),
        *((CHAT, {"messages": [{"role": role, "content": [part]}]}) for role in ("system", "tool")),
        (BATCH, {"messages": [[{**user, "content": [part]}]]}),
        *((RESPONSES, {"input": [{**user, "content": [one]}]}) for one in parts),
        (RESPONSES, {"input": [{"type": "message", "role": "assistant", "content": [part]}]}),
        (RESPONSES, {"input": [calls]}),
        (RESPONSES, {"input": [{**calls, "type": "custom_tool_call_output"}]}),
        (RESPONSES, {"input": [{"type": "additional_tools", "role": "user", "content": [part]}]}),
        (CLAUDE, claude(source)),
        (CLAUDE, claude(result)),
        (f"{CLAUDE}/count_tokens", claude(source)),
        (EMBED, message(part)),
        (EMBED, {"messages": [[{**user, "content": [part]}]]}),
        (EMBED, {"input": [{**user, "content": [part]}]}),
        (EMBED, {"input": [[{**user, "content": [part]}]]}),
        ("/pooling", message(part)),
        ("/classify", message(part)),
        ("/tokenize", message(part)),
        ("/v2/embed", {"images": [url]}),
        ("/v2/embed", {"inputs": [{"content": [part]}]}),
        (SCORE, {"data_1": {"content": [part]}, "data_2": ["x"]}),
        (SCORE, {"text_1": "x", "text_2": [{"content": [part]}]}),
        (SCORE, {"queries": ["x"], "items": {"content": [part]}}),
        ("/v1/rerank", {"query": {"content": [part]}, "documents": ["x"]}),
        ("/v1/rerank", {"query": "x", "documents": [{"content": [part]}]}),
        *(("/v1/systemone", {name: [url]}) for name in ("images", "audio", "videos")),
    ]
    return requests


@pytest.mark.parametrize(("path", "fields"), fetched(EVIL), ids=lambda value: str(value)[:60])
def test_an_address_that_vllm_would_fetch_is_judged_wherever_it_stands(
    bounded: Service, path: str, fields: dict[str, Any]
) -> None:
    assert refusal(bounded, path, fields)
    for good in (GOOD, PICTURE, "DATA:image/png;base64,AA"):
        given = json.loads(json.dumps(fields).replace(EVIL, good))
        assert refusal(bounded, path, given) == "", good


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8265/api/jobs/",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "ftp://images.example/a.png",
        "//images.example/a.png",
        "https://images.example@evil.example/a.png",
        "https://images.example\\@evil.example/a.png",
        "https://images.example.evil.example/a.png",
        "https://images.example:22/a.png",
        "https://images.example./a.png",
        "https://[::1]/a.png",
        "HTTPS://evil.example/a.png",
        "HTTPS://images.example\t/a.png",
        " https://images.example/a.png",
        "https://images\uff0eexample/a.png",
        " data:image/png;base64,AA",
        "",
        [EVIL],
        {"url": EVIL},
        7,
    ],
)
def test_an_address_has_one_plain_spelling(bounded: Service, url: Any) -> None:
    assert refusal(bounded, CHAT, image(url)) == "image_url"
