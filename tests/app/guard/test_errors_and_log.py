"""The form of a refusal, and what the log contains and must never contain."""

import asyncio
import contextlib
import ipaddress
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from app.guard import arrival
from tests.app.calls import PATH, ask, call, get, post
from tests.app.conftest import KEY, PASSWORDS, Service, chat, run


def test_every_refusal_has_the_shape_of_openai(service: Service) -> None:
    service.backend.crash = ValueError("prompt text in an exception")
    answers = {
        400: post(service, json={"n": 99}),
        401: post(service, user=None),
        403: get(service, "/metrics", "bob"),
        404: get(service, "/nothing", "bob"),
        405: get(service, PATH, "bob"),
        413: post(service, json={"a": "x" * 5_000_000}),
        415: post(service, "/token", None, json={}),
        500: post(service),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert set(answer.json()) == {"error"}
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert answer.headers["x-request-id"].startswith("req-")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "prompt text" not in answers[500].text


def test_the_request_id_is_in_the_log_with_user_route_and_tokens(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rayline"):
        answer = post(service)
        bad = post(service, headers={"Authorization": "Bearer x"})
    line, bad_line = (r.getMessage() for r in caplog.records if r.name == "rayline.access")
    assert f"id={answer.headers['x-request-id']} method=POST route={PATH} user=user:bob" in line
    assert "status=200" in line
    assert "prompt_tokens=5 completion_tokens=7" in line
    assert bad.headers["x-request-id"] in bad_line
    assert "status=401" in bad_line
    assert "note=malformed" in bad_line


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "rayline.access"]


def test_the_log_says_from_where_a_request_came_and_how_it_ended(
    make: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    service = make(trusted_proxies=(ipaddress.ip_network("192.0.2.0/24"),))
    with caplog.at_level(logging.INFO, "rayline"):
        post(service, headers={"X-Forwarded-For": "203.0.113.5, 198.51.100.7"})
        ask(service, n=99)
        service.backend.is_alive = False
        post(service)
        service.backend.is_alive = True
        service.backend.crash = ValueError("prompt")
        post(service)
    ends = [line.partition(" end=")[2] for line in logged(caplog)]
    assert ends == [
        "complete note=-",
        "refused note=out_of_bounds",
        "refused note=engine_unavailable",
        "error note=internal_error",
    ]
    assert " user=user:bob address=198.51.100.7 status=200 ms=" in logged(caplog)[0]
    assert " address=192.0.2.1 " in logged(caplog)[1]


def test_the_log_has_the_time_to_the_first_token(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rayline"):
        post(service)
        ask(service, n=99)
    with_token, without = logged(caplog)
    total = float(with_token.partition(" ms=")[2].split()[0])
    assert 0 < float(with_token.partition(" first_token_ms=")[2].split()[0]) <= total
    assert " first_token_ms=- prompt_tokens=0 completion_tokens=0 " in without


class Exchange:
    """One request over a bare ASGI interface, whose client leaves when the test says so."""

    def __init__(self, service: Service, how: str) -> None:
        content = json.dumps(chat(stream=True)).encode()
        self.messages: list[Any] = []
        self._body = [{"type": "http.request", "body": content, "more_body": False}]
        self._how = how
        self._streaming = asyncio.Event()
        self._service = service

    async def receive(self) -> Any:
        if self._body:
            return self._body.pop()
        await self._streaming.wait()
        if self._how == "cancelled":
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        if message["type"] == "http.response.body" and self._how in ("disconnects", "cancelled"):
            self._streaming.set()
        if self._how == "engine died":
            self._service.backend.is_alive = False

    async def run(self) -> None:
        headers = self._service.bearer("bob")["Authorization"].encode()
        scope = {
            "type": "http", "method": "POST", "path": PATH, "raw_path": PATH.encode(),
            "query_string": b"", "root_path": "", "client": ("192.0.2.1", 1),
            "headers": [(b"authorization", headers), (b"content-type", b"application/json")],
        }  # fmt: skip
        task = asyncio.create_task(self._service.guard(scope, self.receive, self.send))
        if self._how == "cancelled":
            await self._streaming.wait()
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    ("how", "end"),
    [
        ("stays", "complete"),
        ("disconnects", "client_gone"),
        ("cancelled", "client_gone"),
        ("engine died", "engine_died"),
    ],
)
def test_the_log_says_how_a_stream_ended(
    service: Service, caplog: pytest.LogCaptureFixture, how: str, end: str
) -> None:
    service.backend.pause_s = 0.02
    with caplog.at_level(logging.INFO, "rayline"):
        run(Exchange(service, how).run())
    (line,) = logged(caplog)
    assert f" end={end} " in line


def test_a_slow_body_is_logged_as_a_timeout(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "REQUEST_PACE", arrival.Pace(0.05, 65_536))

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(1)
        yield b"}"

    with caplog.at_level(logging.INFO, "rayline"):
        post(service, content=slow())
    (line,) = logged(caplog)
    assert line.endswith(" end=timeout note=body_timeout")


def test_no_part_of_a_request_can_forge_a_line_or_a_field_of_the_log(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    forged = "1.2.3.4\nid=req-1 status=200 end=complete"
    with caplog.at_level(logging.INFO, "rayline"):
        for address in (forged, "a b", "\x1b[31m", "\u2028"):
            run(service.login("bob", "wrong", address))
        call(service, "F\nOO", PATH, "bob")
    for line in logged(caplog):
        assert line.isprintable()
        names = [word.partition("=")[0] for word in line.split(" ")]
        assert names == [
            "id", "method", "route", "user", "address", "status", "ms", "first_token_ms",
            "prompt_tokens", "completion_tokens", "end", "note",
        ]  # fmt: skip


def test_no_secret_is_in_any_log(
    make: Callable[..., Service],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Canaries in every place that can contain a secret; all loggers are at DEBUG."""
    prompt, query = "CANARY-prompt-7f3a", "CANARY-query-7f3a"
    caplog.set_level(logging.DEBUG)
    service = make()
    good = service.bearer("bob")
    run(service.login("bob", PASSWORDS["bob"]))
    run(service.login("bob", "CANARY-password-7f3a"))
    run(service.login("CANARY-password-as-name-7f3a", "x"))
    message = {"messages": [{"role": "user", "content": prompt}]}
    for content in (
        message,
        {**message, "n": 99},
        {prompt: 1, "n": prompt},
        {"stop": [prompt] * 99},
    ):
        post(service, json=content)
        post(service, json=content, headers={"Authorization": "Bearer CANARY-token-7f3a"})
    post(service, content=f'{{"a": "{prompt}'.encode())
    get(service, f"/v1/models?key={query}", headers=good)
    get(service, f"/{query}", headers=good)
    get(service, f"/{query}%2f")
    service.backend.crash = RuntimeError(prompt)
    post(service, json=message)
    captured = capfd.readouterr()
    # The test's own client logs its URLs; everything else is the service's.
    logged = [r.getMessage() for r in caplog.records if r.name != "httpx"]
    everything = "\n".join(logged) + captured.out + captured.err
    assert "note=out_of_bounds" in everything
    secrets = [KEY, good["Authorization"][7:], *PASSWORDS.values(), "7f3a"]
    assert [s for s in secrets if s in everything] == []
