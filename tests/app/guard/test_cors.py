"""Browsers: pages of listed origins may call the service, and no others."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.errors import ConfigurationError
from app.guard.settings import from_environment
from tests.app.calls import PATH, call, post
from tests.app.conftest import Service, chat, run
from tests.app.serving import served

ORIGIN = "https://chat.example.com"
EXPOSED = "x-request-id, retry-after, x-ratelimit-limit-name"


@pytest.fixture
def browsable(make: Callable[..., Service]) -> Service:
    return make(cors_origins=(ORIGIN, "http://localhost:3000"))


def preflight(service: Service, origin: str, path: str = PATH) -> httpx.Response:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang",
    }
    return call(service, "OPTIONS", path, None, headers=asked)


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
@pytest.mark.parametrize("path", [PATH, "/v1/models", "/token", "/v1/messages", "/nothing"])
def test_a_preflight_needs_no_token_and_reveals_no_route(
    browsable: Service, origin: str, path: str
) -> None:
    answer = preflight(browsable, origin, path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST"
    allowed = answer.headers["access-control-allow-headers"]
    assert allowed == "authorization,content-type,x-stainless-lang"
    assert answer.headers["access-control-max-age"] == "600"
    assert "access-control-allow-credentials" not in answer.headers
    assert {"origin", "access-control-request-headers"} == {
        word.strip().lower() for word in answer.headers["vary"].split(",")
    }
    assert browsable.backend.calls == []


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://chat.example.com.evil.example",
        "https://chat.example.com:8443",
        "http://chat.example.com",
        "https://CHAT.example.com",
        "https://chat.example.com/",
        "https://sub.chat.example.com",
        "null",
        "",
        "*",
    ],
)
def test_another_origin_gets_nothing(browsable: Service, origin: str) -> None:
    refused = preflight(browsable, origin)
    assert refused.status_code == 401
    asked = call(browsable, "GET", "/v1/models", "bob", headers={"Origin": origin})
    assert asked.status_code == 200  # it is the browser that hides the answer from the page
    for answer in (refused, asked):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["vary"] == "Origin"


def test_two_origins_are_none(browsable: Service) -> None:
    async def ask() -> httpx.Response:
        async with browsable.client() as client:
            headers = [("Origin", ORIGIN), ("Origin", ORIGIN)]
            return await client.get("/health", headers=headers)

    assert "access-control-allow-origin" not in run(ask()).headers


def test_errors_have_the_headers_too(browsable: Service) -> None:
    given = {"Origin": ORIGIN}
    browsable.backend.crash = None
    answers = {
        200: post(browsable, headers=given),
        400: post(browsable, headers=given, json={"n": 99}),
        401: post(browsable, user=None, headers=given),
        403: call(browsable, "GET", "/metrics", "bob", headers=given),
        404: call(browsable, "GET", "/nothing", "bob", headers=given),
        405: call(browsable, "GET", PATH, "bob", headers=given),
        413: post(browsable, headers=given, content=b"x" * 5_000_000),
        415: call(browsable, "POST", "/token", None, headers=given, json={}),
        431: post(browsable, headers={**given, "x-big": "y" * 300_000}),
    }
    browsable.backend.crash = ValueError("x")
    answers[500] = post(browsable, headers=given)
    browsable.backend.is_alive = False
    answers[503] = post(browsable, headers=given)
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == ORIGIN, status
        assert answer.headers["access-control-expose-headers"] == EXPOSED
        assert answer.headers.get_list("vary") == ["Origin"]
        assert answer.headers.get_list("x-request-id") != []


def test_streams_have_the_headers_once_on_a_real_server(browsable: Service) -> None:
    headers = {**browsable.bearer("bob"), "Origin": ORIGIN}

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        async with served(browsable.guard) as port, httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{port}{PATH}"
            body = json.dumps(chat(stream=True))
            streamed = await client.post(url, content=body, headers=headers)
            asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
            return streamed, await client.options(url, headers=asked)

    streamed, preflighted = run(ask())
    assert streamed.text.endswith("[DONE]\n\n")
    assert streamed.headers.get_list("access-control-allow-origin") == [ORIGIN]
    assert preflighted.status_code == 204
    assert "content-length" not in preflighted.headers


def test_every_origin_by_an_explicit_star(make: Callable[..., Service]) -> None:
    service = make(cors_origins=("*",))
    answer = preflight(service, "https://anything.example")
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert "access-control-allow-credentials" not in answer.headers


def test_without_a_list_nothing_changes(service: Service) -> None:
    assert preflight(service, ORIGIN).status_code == 401
    answer = post(service, headers={"Origin": ORIGIN})
    assert not [n for n in answer.headers if n.startswith("access-control") or n == "vary"]
    wrong = call(service, "OPTIONS", PATH, "bob")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("names", ["x y", "a,,b", "a\x7f", "é", ","])
def test_only_names_of_headers_are_repeated(browsable: Service, names: str) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": names.encode("latin-1"),
    }
    answer = call(browsable, "OPTIONS", PATH, None, headers=asked)
    assert answer.status_code == 204
    assert "access-control-allow-headers" not in answer.headers


@pytest.mark.parametrize(
    "wrong",
    [
        "chat.example.com",
        "https://chat.example.com/",
        "https://Chat.example.com",
        "https://chat.example.com:443",
        "http://chat.example.com:80",
        "https://*.example.com",
        "null",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_environment({"GUARD_CORS_ORIGINS": wrong})
    assert "https://chat.example.com" in str(caught.value)


def test_origins_are_a_list() -> None:
    text = "https://a.example, http://localhost:3000 app://obsidian.md"
    found: Any = from_environment({"GUARD_CORS_ORIGINS": text}).cors_origins
    assert found == ("https://a.example", "http://localhost:3000", "app://obsidian.md")
