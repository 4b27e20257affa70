"""Requests that exceed a bound are refused before they are buffered or reach the engine."""

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
from app.guard import bounds
from app.guard.bounds import Bounds
from tests.app.calls import PATH, ask, post
from tests.app.conftest import Service, chat, run


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def message(part: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [part]}]}


def image(url: str) -> dict[str, Any]:
    return message({"type": "image_url", "image_url": {"url": url}})


REFUSED: list[dict[str, Any]] = [
    {"n": 9},
    {"n": 0},
    {"n": 10**30},
    {"n": "2"},
    {"n": True},
    {"n": 1.5},
    {"n": [1]},
    {"best_of": 9},
    {"logprobs": 21},
    {"top_logprobs": 21},
    {"prompt_logprobs": -1},
    {"prompt_logprobs": 10**6},
    {"stop": ["x"] * 17},
    {"stop": "x" * 2000},
    {"stop": ["x" * 2000]},
    {"stop_sequences": ["x"] * 17},
    {"tools": [{"type": "function", "function": {"name": "f"}}] * 513},
    {"structured_outputs": {"regex": "a" * 40_000}},
    {"logit_bias": {str(i): 1 for i in range(2000)}},
    {"allowed_token_ids": list(range(2000))},
    {"bad_words": ["x"] * 2000},
    {"prompt": ["x"] * 65},
    {"prompt": [[1]] * 65},
    {"input": ["x"] * 2049},
    {"documents": ["x"] * 2049},
    {"messages": [[{"role": "user", "content": "x"}]] * 65},
    {"messages": deep(40)},
    {"prompt_embeds": "AAAA"},
    message({"type": "image_embeds", "image_embeds": "AAAA"}),
    {"chat_template": "{{ 1 }}"},
    {"mm_processor_kwargs": {}},
    {"kv_transfer_params": {"do_remote_decode": True}},
    {"vllm_xargs": {}},
    {"request_id": "resp_of_someone"},
    {"priority": -1},
    image("https://evil.example/a.png"),
    image("http://127.0.0.1:8265/api/jobs/"),
    image("http://169.254.169.254/latest/meta-data"),
    image("file:///etc/passwd"),
    image("ftp://images.example/a.png"),
    image("//images.example/a.png"),
    image("https://images.example@evil.example/a.png"),
    image("https://images.example\\@evil.example/a.png"),
    image("https://images.example.evil.example/a.png"),
    image("https://images.example:22/a.png"),
    image("https://images.example./a.png"),
    image("https://[::1]/a.png"),
    image("HTTPS://images.example\t/a.png"),
    image("https://images\uff0eexample/a.png"),
    message({"type": "input_image", "image_url": "https://evil.example/a"}),
    message({"type": "video_url", "video_url": {"url": "https://evil.example/a"}}),
    message({"type": "image", "source": {"type": "url", "url": "https://evil.example/a"}}),
    {"images": ["https://evil.example/a.png"]},
    {"tools": [{"type": "mcp", "server_url": "https://evil.example/"}]},
    message({"a": [{"url": "data:image/png;base64,AA"}] * 20}),
]


@pytest.fixture
def bounded(make: Callable[..., Service]) -> Service:
    return make(media_domains=frozenset({"images.example"}))


@pytest.mark.parametrize("fields", REFUSED, ids=[str(r)[:50] for r in REFUSED])
def test_a_field_out_of_bounds_is_refused_before_the_engine(
    bounded: Service, fields: dict[str, Any]
) -> None:
    answer = ask(bounded, **fields)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "out_of_bounds"
    assert bounded.backend.calls == []


def test_permitted_requests_pass_byte_for_byte(bounded: Service) -> None:
    bodies = [
        b'{"model": "tiny",\n "messages": [], "max_tokens": 3}',
        json.dumps(chat(max_tokens=5, n=2, logprobs=True, top_logprobs=20, stop=["a"])).encode(),
        json.dumps({**image("https://images.example/a.png"), "max_tokens": 5}).encode(),
        json.dumps({**image("data:image/png;base64,AAAA"), "max_tokens": 5}).encode(),
        '{"messages": [{"content": "Сколько четвергов?"}], "max_tokens": 2}'.encode(),
    ]
    assert [post(bounded, content=body).status_code for body in bodies] == [200] * len(bodies)
    assert [call[2] for call in bounded.backend.calls] == bodies


def test_admin_may_use_privileged_fields_but_not_exceed_bounds(bounded: Service) -> None:
    for fields, status in (({"chat_template": "x"}, 200), ({"n": 9}, 400)):
        assert ask(bounded, "alice", **fields).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"n": 1, "n": 1000}',
        b'{"messages": [{"a": 1, "a": 2}]}',
        b'{"temperature": NaN}',
        b'{"temperature": -Infinity}',
        b'{"a": "\xff"}',
        '{"n": 1000}'.encode("utf-16"),
        '{"n": 1000}'.encode("utf-32-le"),
        b"\xef\xbb\xbf{}",
        b'{"a": ' + b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"stream_interval": 9223372036854775808}',
        b'{"stop_token_ids": [-9223372036854775809]}',
        b"{} {}",
    ],
    ids=range(17),
)
def test_json_that_parsers_could_read_differently_is_refused(bounded: Service, body: bytes) -> None:
    answer = post(bounded, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in ("invalid_json", "out_of_bounds")
    assert bounded.backend.calls == []


def test_bodies_are_bounded_before_they_are_buffered(bounded: Service) -> None:
    """By Content-Length before a byte is read, and without one while chunks arrive."""
    read = 0

    async def chunks() -> Any:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"x" * 100_000

    async def calls() -> None:
        async with bounded.client() as client:
            headers = bounded.bearer("bob")
            answer = await client.post(PATH, content=chunks(), headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
            assert read <= 12
            lying = {**headers, "Content-Length": "99999999"}
            assert (await client.post(PATH, content=b"{}", headers=lying)).status_code == 413
            bad = {**headers, "Content-Length": "+2"}
            assert (await client.post(PATH, content=b"{}", headers=bad)).status_code == 400

    run(calls())
    assert bounded.backend.calls == []
    assert bounded.guard.running == 0


def test_headers_are_bounded(bounded: Service) -> None:
    async def calls() -> None:
        async with bounded.client() as client:
            for extra in ({f"x-{i}": "y" for i in range(150)}, {"x-big": "y" * 40_000}):
                headers = {**bounded.bearer("bob"), **extra}
                answer = await client.get("/v1/models", headers=headers)
                assert answer.status_code == 431

    run(calls())


@pytest.mark.parametrize("name", ["X-Request-Timeout-Seconds", "x-request-disconnect-disabled"])
def test_headers_that_control_ray_serve_are_refused(bounded: Service, name: str) -> None:
    answer = post(bounded, content=b"{}", headers={name: "1"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "header_not_allowed"
    assert name.lower() in answer.json()["error"]["message"]
    assert bounded.backend.calls == []


def test_only_known_headers_reach_the_engine(bounded: Service) -> None:
    sneaky = {
        "X-data-parallel-rank": "1",
        "X-Request-Id": "mine",
        "Cookie": "a=b",
        "Host": "x/health?",
        "User-Agent": "curl/8",
        "X-Amzn-SageMaker-Session-Id": "NEW_SESSION",
    }

    answer = post(bounded, json=chat(max_tokens=1), headers=sneaky)
    names = {name for name, _ in bounded.backend.headers[0]}
    expected = {b"accept", b"content-type", b"content-length", b"host", b"user-agent"}
    assert names == {*expected, b"x-request-id"}
    headers = dict(bounded.backend.headers[0])
    assert headers[b"x-request-id"].decode() == answer.headers["x-request-id"] != "mine"
    assert headers[b"host"] == b"rayline"


def test_audio_forms_are_checked_too(make: Callable[..., Service]) -> None:
    service = make()

    async def call(fields: dict[str, str]) -> int:
        async with service.client() as client:
            files = {"file": ("a.wav", b"RIFF" * 1000)}
            headers = service.bearer("bob")
            path = "/v1/audio/transcriptions"
            answer = await client.post(path, data=fields, files=files, headers=headers)
            return answer.status_code

    assert [run(call(f)) for f in ({"model": "tiny"}, {"n": "99"}, {"n": "x"})] == [200, 400, 400]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
_NAMES = st.sampled_from(
    [
        *(*bounds._COUNTED, *bounds._SIZED),
        *(*permissions.PRIVILEGED, "messages", "prompt", "priority"),
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(_NAMES | st.text(max_size=8), _JSON, max_size=6))
def test_any_object_is_accepted_or_refused(document: dict[str, Any]) -> None:
    """No document makes a check itself fail, which would result in a 500."""
    with contextlib.suppress(RefusedError):
        parsed = bounds.parse(json.dumps(document).encode())
        bounds.check(parsed, PATH, Bounds(), permissions.EMBEDDINGS)
        served = permissions.Served("tiny", None, by_priority=True)
        permissions.apply(DEFAULTS["guest"], routes.TABLE["POST", PATH], parsed, served)


def test_an_empty_message_of_the_assistant_is_refused_before_the_engine(bounded: Service) -> None:
    empty = {"type": "message", "role": "assistant", "content": []}
    body = json.dumps({"model": "tiny", "input": [empty, {"role": "user", "content": "go on"}]})
    answer = post(bounded, "/v1/responses", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "input[0].content"
    assert bounded.backend.calls == []
