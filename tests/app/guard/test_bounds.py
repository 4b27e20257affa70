"""Requests that exceed a bound are refused before they are buffered or reach the engine."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.app.calls import PATH, ask, post
from tests.app.conftest import Service, chat, run
from tests.app.guard.requests import image


@pytest.fixture
def bounded(make: Callable[..., Service]) -> Service:
    return make(media_domains=frozenset({"images.example"}))


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
        b'{"temperature": 1e400}',
        b'{"prompt": "\\ud83d"}',
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
    ids=range(18),
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
            assert read <= 43
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
            for extra in ({f"x-{i}": "y" for i in range(150)}, {"x-big": "y" * 600_000}):
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
