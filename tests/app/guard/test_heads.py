"""A head arrives in bounded time and size, and nothing is added to it afterwards."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.auth.lockout import FAILURES
from tests.app.conftest import Service, chat, run
from tests.app.guard.raw import chunked, head, talk
from tests.app.guard.reached import CHAT, TOKEN, WAYS, reached
from tests.app.serving import BOUNDED, replica, served

pytestmark = pytest.mark.usefixtures("short_limits")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"GET /health HTTP/1.1\r\nHost: test\r\n",),
        (b"\r\n", 0.4, b"\r\n", 0.4, b"\r\n", 0.4, b"\r\n", 0.4, b"\r\n", 0.4, b"\r\n"),
        (b"GET /health HT", 0.4, b"T", 0.4, b"P", 0.4, b"/", 0.4, b"1", 0.4, b".", 0.4, b"1"),
    ],
)
def test_a_head_that_does_not_arrive_ends(
    service: Service, way: str, pieces: tuple[bytes | float, ...]
) -> None:
    async def calls() -> None:
        async with reached(service, way) as port:
            heard = await talk(port, *pieces, wait_s=5.0)
            assert heard.ended
            assert heard.status in (None, 400, 408)

    run(calls())


def test_line_feeds_do_not_keep_an_idle_connection_open(service: Service) -> None:
    async def calls() -> None:
        async with replica(service.guard) as port:
            feeds = [piece for _ in range(10) for piece in (b"\r\n", 0.3)]
            heard = await talk(port, head("GET", "/health"), *feeds, wait_s=3.0)
            assert heard.status == 200
            assert heard.ended

    run(calls())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("line", [b"X-Long: " + b"x" * 1_000_000, b"X-Many: x\r\n" * 50_000])
def test_a_head_without_end_is_refused_while_it_arrives(
    service: Service, way: str, line: bytes
) -> None:
    async def calls() -> None:
        async with reached(service, way) as port:
            heard = await talk(port, b"GET /health HTTP/1.1\r\nHost: test\r\n" + line, wait_s=3.0)
            assert heard.ended
            assert heard.status in (None, 400, 431)
            assert heard.seconds < 0.9  # for its size, not for its time

    run(calls())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("extra", [b"0\r\nX-A: ", b"1;"])
def test_framing_without_end_is_not_kept(service: Service, way: str, extra: bytes) -> None:
    """Trailers and chunk extensions are not body, so the body's bound does not see them."""
    authorization = f"Authorization: Bearer {service.token('bob')}"
    start = head("POST", CHAT, "Transfer-Encoding: chunked", authorization)

    async def calls() -> None:
        async with reached(service, way) as port:
            heard = await talk(
                port, start, b"1\r\n{\r\n", 0.2, extra + b"x" * 1_000_000, wait_s=3.0
            )
            assert heard.ended
            assert heard.status != 200

    run(calls())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pause", [0.0, 0.2])
@pytest.mark.parametrize("listed", [[], ["Trailer: Authorization"]])
def test_no_trailer_authorizes(service: Service, way: str, pause: float, listed: list[str]) -> None:
    """In the segment of the head, where it was merged into the headers, and after it."""
    trailer = f"Authorization: Bearer {service.token('bob')}"
    start = head("POST", CHAT, "Transfer-Encoding: chunked", "Connection: close", *listed)
    end = chunked(json.dumps(chat()).encode(), trailer)
    pieces = (start, pause, end) if pause else (start + end,)

    async def calls() -> None:
        async with reached(service, way) as port:
            assert (await talk(port, *pieces)).status == 401

    run(calls())
    assert service.backend.calls == []


def test_the_ingress_speaks_no_http_2(service: Service) -> None:
    """One connection of it carries a hundred requests, and only connections are counted."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")

    async def calls() -> None:
        async with reached(service, "ingress") as port:
            heard = await talk(port, preface, wait_s=3.0)
            assert heard.ended
            assert heard.status in (400, 505)

    run(calls())


@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_an_application_behind_the_server_sees_no_trailer(pause: float) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        seen.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    async def calls() -> None:
        async with served(app, BOUNDED) as port:
            start = head("POST", "/", "Transfer-Encoding: chunked", "Connection: close")
            end = chunked(b"x", "X-Rayline-Client: 192.0.2.1", "Content-Type: a/b")
            heard = await talk(port, *((start, pause, end) if pause else (start + end,)))
            assert heard.status == 200

    run(calls())
    assert {name for name, _ in seen} == {b"host", b"transfer-encoding", b"connection"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", ["head", "forwarded", "trailers"])
def test_no_guess_passes_the_lock(make: Callable[..., Service], way: str, place: str) -> None:
    service = make(ray_token=TOKEN)
    body = b"username=bob&password=wrong"
    kind = "Content-Type: application/x-www-form-urlencoded"

    async def calls() -> list[int | None]:
        statuses = []
        async with reached(service, way) as port:
            for number in range(2 * FAILURES):
                invented = f"198.51.100.{number}"
                forged = [
                    f"X-Rayline-Client: {invented}", f"x-rayline-client: {invented}",
                    f"X-Forwarded-For: {invented}",
                ]  # fmt: skip
                if place == "forwarded":
                    forged = forged[2:]
                if place != "trailers":
                    length = f"Content-Length: {len(body)}"
                    sent = head("POST", "/token", kind, length, "Connection: close", *forged) + body
                else:
                    sent = head(
                        "POST", "/token", kind, "Transfer-Encoding: chunked", "Connection: close"
                    )
                    sent += chunked(body, *forged)
                statuses.append((await talk(port, sent)).status)
        return statuses

    statuses = run(calls())
    assert statuses.count(401) <= FAILURES
    assert set(statuses) <= {400, 401, 411, 429}


@pytest.mark.parametrize("name", ["x-rayline-client", "x-rayline-proof", "content-type", "host"])
def test_a_deciding_header_may_be_sent_once(service: Service, name: str) -> None:
    async def calls() -> None:
        async with service.client() as client:
            answer = await client.get("/health", headers=[(name, "a"), (name, "a")])
            assert answer.status_code == 400
            assert answer.json()["error"]["code"] == "repeated_header"

    run(calls())
