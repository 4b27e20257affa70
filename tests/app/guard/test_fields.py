"""A field is judged by its route and place: what the engine would act on, and nothing else."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.access import permissions, routes
from app.access.roles import DEFAULTS
from app.errors import RefusedError
from app.guard import json_body
from app.guard.bounds import Bounds
from app.guard.cost.check import check as cost
from app.guard.fields.judge import SLICE
from app.guard.fields.placement import PLACES
from app.guard.fields.table import Table
from tests.app.access.test_limits import roles
from tests.app.calls import PATH as CHAT
from tests.app.calls import post
from tests.app.conftest import Service, chat
from tests.app.guard.requests import EVIL, PICTURE, claude, deep, message, refusal
from tests.app.guard.vllm_applications import all_routes

BATCH, COMPLETION, RESPONSES = f"{CHAT}/batch", "/v1/completions", "/v1/responses"
CLAUDE, EMBED, SCORE = "/v1/messages", "/v1/embeddings", "/score"
TOOL = {"type": "function", "function": {"name": "f"}}

TOO_MUCH: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"n": 9}),
    (CHAT, {"n": 0}),
    (CHAT, {"n": 10**18}),
    (CHAT, {"n": "2"}),
    (CHAT, {"n": True}),
    (CHAT, {"n": 1.5}),
    (CHAT, {"n": [1]}),
    (COMPLETION, {"n": 9}),
    (BATCH, {"best_of": 9}),
    (COMPLETION, {"logprobs": 21}),
    (CHAT, {"top_logprobs": 21}),
    (CHAT, {"top_logprobs": -1}),
    (RESPONSES, {"top_logprobs": 21}),
    (CHAT, {"prompt_logprobs": -1}),
    (CHAT, {"prompt_logprobs": 10**6}),
    (CHAT, {"stop": ["x"] * 17}),
    (CHAT, {"stop": "x" * 2000}),
    (CHAT, {"stop": ["x" * 2000]}),
    (CLAUDE, {"stop_sequences": ["x"] * 17}),
    (CHAT, {"tools": [TOOL] * 513}),
    (CHAT, {"structured_outputs": {"regex": "a" * 40_000}}),
    (CHAT, {"logit_bias": {str(i): 1 for i in range(2000)}}),
    (CHAT, {"allowed_token_ids": list(range(2000))}),
    (CHAT, {"bad_words": ["x"] * 2000}),
    (CHAT, {"repetition_detection": {"max_pattern_size": 10_000, "min_count": 2}}),
    (COMPLETION, {"prompt": ["x"] * 65}),
    (COMPLETION, {"prompt": [[1]] * 65}),
    (EMBED, {"input": ["x"] * 2049}),
    ("/v2/embed", {"texts": ["x"] * 2049}),
    ("/rerank", {"documents": ["x"] * 2049}),
    (SCORE, {"data_1": "x", "data_2": ["x"] * 2049}),
    ("/generative_scoring", {"items": ["x"] * 2049}),
    ("/v1/systemone", {"questions": {str(i): {} for i in range(65)}}),
    (BATCH, {"messages": [[{"role": "user", "content": "x"}]] * 65}),
    (CHAT, {"messages": deep(40)}),
    (CLAUDE, claude({"type": "tool_use", "input": deep(40)})),
    (CHAT, message(*[{"type": "image_url", "image_url": {"url": PICTURE}}] * 17)),
]
PRIVILEGED: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"chat_template": "{{ 1 }}"}),
    (CHAT, {"chat_template_kwargs": {"chat_template": "{{ 1 }}"}}),
    (CHAT, {"mm_processor_kwargs": {}}),
    (CHAT, {"kv_transfer_params": {"do_remote_decode": True}}),
    (CHAT, {"vllm_xargs": {}}),
    (CHAT, {"priority": -1}),
    (CHAT, {"structured_outputs": {"regex": "a", "_backend": "outlines"}}),
    (RESPONSES, {"request_id": "resp_of_someone"}),
    (COMPLETION, {"prompt_embeds": "AAAA"}),
    # The models of these routes have no such field, and shared code reads it all the same.
    (COMPLETION, {"mm_processor_kwargs": {"use_audio_in_video": True}}),
    (BATCH, {"kv_transfer_params": {}}),
    (BATCH, {"vllm_xargs": {"a": 1}}),
    ("/rerank", {"media_io_kwargs": {"video": {}}}),
    # A plug-in reads it, and may fetch what it names.
    ("/pooling", {"data": {"url": EVIL}}),
    (CHAT, message({"type": "image_embeds", "image_embeds": "AAAA"})),
    (CHAT, message({"type": "prompt_embeds", "data": "AAAA"})),
    (CHAT, message({"type": "image_pil", "image_pil": "AAAA"})),
    # A uuid makes vLLM look for a medium by name, and names one in a cache that all users share.
    (CHAT, message({"type": "text", "text": "x", "uuid": "1"})),
    (CHAT, message({"type": "image_url", "image_url": None, "uuid": "1"})),
    (RESPONSES, {"input": [message({"type": "input_text", "uuid": "1"})["messages"][0]]}),
]
COPIED: list[dict[str, Any]] = [
    # vLLM copies every field of a batch into the model of one chat request.
    {"prompt_logprobs": 10**6},
    {"bad_words": ["x"] * 2000},
    {"stop_token_ids": list(range(2000))},
    {"tools": [TOOL] * 513},
    {"repetition_detection": {"max_pattern_size": 10_000, "min_count": 2}},
]


@pytest.fixture
def bounded(make: Callable[..., Service]) -> Service:
    return make(media_domains=frozenset({"images.example"}))


@pytest.mark.parametrize(("path", "fields"), TOO_MUCH, ids=lambda value: str(value)[:50])
def test_what_would_cost_too_much_is_refused_to_everyone(
    bounded: Service, path: str, fields: dict[str, Any]
) -> None:
    assert refusal(bounded, path, fields)
    assert refusal(bounded, path, fields, "alice")


@pytest.mark.parametrize(("path", "fields"), PRIVILEGED, ids=lambda value: str(value)[:50])
def test_what_reaches_into_the_engine_is_for_operators(
    bounded: Service, path: str, fields: dict[str, Any]
) -> None:
    assert refusal(bounded, path, fields)
    assert refusal(bounded, path, fields, "alice") == ""


@pytest.mark.parametrize("fields", COPIED, ids=lambda value: next(iter(value)))
def test_a_batch_is_judged_by_all_that_vllm_copies_from_it(
    bounded: Service, fields: dict[str, Any]
) -> None:
    assert refusal(bounded, BATCH, fields)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        # An agent's conversation after its first call of the web.
        (CLAUDE, claude({"type": "tool_use", "id": "1", "name": "get", "input": {"url": EVIL}})),
        (CLAUDE, claude({"type": "tool_result", "tool_use_id": "1", "content": EVIL})),
        (CLAUDE, {"tools": [{"name": "get", "input_schema": {"properties": {"url": {}}}}]}),
        (CLAUDE, {"metadata": {"url": EVIL, "image_url": EVIL}}),
        (CHAT, {"messages": [{"role": "user", "content": f"Read {EVIL}"}]}),
        (CHAT, {"messages": [{"role": "tool", "tool_call_id": "1", "content": EVIL}]}),
        (CHAT, message({"type": "text", "text": EVIL})),
        (CHAT, {"tools": [{**TOOL, "function": {"name": "f", "parameters": {"url": EVIL}}}]}),
        (CHAT, {"tools": [{"type": "mcp", "server_url": EVIL}]}),
        (CHAT, {"chat_template_kwargs": {"url": EVIL}}),
        (RESPONSES, {"input": [{"type": "web_search_call", "action": {"type": "x", "url": EVIL}}]}),
        (RESPONSES, {"metadata": {"url": EVIL}}),
        ("/v1/systemone", {"state": {"url": EVIL}, "questions": {"q": {"criteria": {"url": 1}}}}),
        (EMBED, {"input": EVIL}),
        # Fields of other routes, which vLLM ignores here.
        (CHAT, {"documents": [], "texts": ["x"] * 3000, "max_output_tokens": 10**9}),
        (EMBED, {"input": "x", "n": 99, "best_of": 99, "max_tokens": 10**9}),
        (CHAT, {"data": "x", "image_url": EVIL, "url": EVIL}),
        (CHAT, {"a_field_of_tomorrow": {"n": 99, "image_url": EVIL}}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_vllm_does_not_act_on_passes(
    bounded: Service, path: str, fields: dict[str, Any]
) -> None:
    assert refusal(bounded, path, fields) == ""


@pytest.mark.parametrize(
    ("path", "other", "own"),
    [
        (CHAT, "max_output_tokens", "max_completion_tokens"),
        (BATCH, "max_output_tokens", "max_completion_tokens"),
        (RESPONSES, "max_tokens", "max_output_tokens"),
        (RESPONSES, "max_completion_tokens", "max_output_tokens"),
    ],
)
def test_a_cap_of_another_route_does_not_count(
    make: Callable[..., Service], path: str, other: str, own: str
) -> None:
    service = make(roles(max_tokens=100))
    assert post(service, path, json={other: 1}).status_code == 200
    document = json.loads(service.backend.calls[0][2])
    document.pop("request_id", None)  # which the guard gives to answers that may be stored
    assert document == {other: 1, own: 100}
    assert post(service, path, json={own: 101, other: 1}).status_code == 400


def test_a_field_that_nobody_placed_is_closed_and_named(make: Callable[..., Service]) -> None:
    document = json.loads(json.dumps(all_routes()))
    schemas = document["components"]["schemas"]
    schemas["ChatCompletionRequest"]["properties"]["brand_new"] = {"type": "integer"}
    schemas["ImageURL"]["properties"]["fallback_url"] = {"type": "string"}
    service = make()
    service.backend.app.openapi = lambda: document
    assert refusal(service, CHAT, {"brand_new": None}, "alice") == "brand_new"
    part = {"type": "image_url", "image_url": {"url": PICTURE, "fallback_url": EVIL}}
    assert refusal(service, CHAT, message(part)) == "fallback_url"
    assert refusal(service, COMPLETION, {"brand_new": 1}) == ""


def test_a_body_that_vllm_does_not_describe_is_closed(make: Callable[..., Service]) -> None:
    service = make()
    service.backend.app.openapi = lambda: {"paths": {}}
    answer = post(service, CHAT, json={"n": 99})
    assert (answer.status_code, service.backend.calls) == (400, [])


def test_a_large_body_is_judged_in_slices() -> None:
    """Other requests get a turn after at most `SLICE` values."""
    route = routes.TABLE["POST", CHAT]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def judged(document: dict[str, Any]) -> int:
        nonlocal turns
        turns = 0
        task = asyncio.create_task(others())
        await _TABLE.check(document, route, Bounds(), operates=False)
        task.cancel()
        return turns

    parts = message(*({"type": "text", "text": "x"} for _ in range(10 * SLICE)))
    assert asyncio.run(judged(parts)) >= 18  # once for the depth and once for the fields
    assert asyncio.run(judged({"metadata": {"a": [[1]] * 10 * SLICE}})) >= 9
    assert asyncio.run(judged(chat())) == 0


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
_NAMES = st.sampled_from(sorted({name for fields in PLACES.values() for name in fields}))
_ROUTES = st.sampled_from([r for (m, _), r in routes.TABLE.items() if m == "POST"])
_TABLE = Table(all_routes())


@settings(max_examples=300, deadline=None)
@given(_ROUTES, st.dictionaries(_NAMES | st.text(max_size=8), _JSON, max_size=6))
def test_any_object_is_accepted_or_refused(route: routes.Route, document: dict[str, Any]) -> None:
    """No document makes a check itself fail, which would result in a 500."""
    with contextlib.suppress(RefusedError):
        parsed = asyncio.run(json_body.read(json.dumps(document).encode(), Bounds().json_items))
        asyncio.run(_TABLE.check(parsed, route, Bounds(), operates=False))
        served = permissions.Served(("tiny",), None, by_priority=True)
        cost(route.template, parsed, DEFAULTS["guest"], Bounds(), served)
        permissions.apply(DEFAULTS["guest"], route, parsed, served)
