"""One request id per answer, whether Serve or the guard answered."""

import types
from typing import Any

from app.guard.request_ids import SingleRequestId, install
from tests.app.conftest import run


def headers_of(given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers that a client receives from an application that answers with these."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": given})
        await send({"type": "http.response.body", "body": b"x"})

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    http_util = types.SimpleNamespace()
    install(http_util)
    assert http_util.RequestIdMiddleware is SingleRequestId
    run(http_util.RequestIdMiddleware(app)({"type": "http"}, receive, send))
    assert sent[1] == {"type": "http.response.body", "body": b"x"}
    return [(bytes(name), value) for name, value in sent[0]["headers"]]


def test_the_id_of_the_guard_remains_the_only_one() -> None:
    given = [(b"a", b"b"), (b"X-Request-Id", b"req-1")]
    assert headers_of(given) == given


def test_an_answer_of_serve_itself_gets_an_id() -> None:
    given = [(b"a", b"b")]
    first, second = headers_of(given)
    assert first == (b"a", b"b")
    assert second[0] == b"x-request-id"
    assert second[1].startswith(b"req-")
    assert given == [(b"a", b"b")]
