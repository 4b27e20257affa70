"""A body arrives in bounded time and memory, or its request ends."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.errors import RefusedError
from app.guard import arrival
from app.guard.front import Front
from tests.app.conftest import Service, chat, run
from tests.app.guard.raw import chunked, head, talk
from tests.app.guard.reached import CHAT, WAYS, reached
from tests.app.serve_stand_in import ServeStandIn
from tests.app.serving import BOUNDED, replica, served

pytestmark = pytest.mark.usefixtures("short_limits")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", ["/token", CHAT])
@pytest.mark.parametrize("began", [b"", b"{"])
def test_a_body_that_does_not_arrive_is_answered(
    service: Service, way: str, path: str, began: bytes
) -> None:
    """Also if not even its first byte arrives, for which nobody waited before."""
    authorization = f"Authorization: Bearer {service.token('bob')}"

    async def calls() -> None:
        async with reached(service, way) as port:
            heard = await talk(port, head("POST", path, "Content-Length: 10", authorization), began)
            assert heard.status == 408
            assert json.loads(heard.responses[0][1])["error"]["code"] == "body_timeout"
            assert heard.seconds < 3

    run(calls())
    assert service.guard.running == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_body_that_trickles_is_cut_off(service: Service, way: str) -> None:
    authorization = f"Authorization: Bearer {service.token('bob')}"
    # More than HAProxy keeps to itself, so that the guard waits for the rest.
    pieces: list[bytes | float] = [head("POST", CHAT, "Content-Length: 90000", authorization)]
    pieces += [b" " * 20_000]
    for _ in range(30):
        pieces += [b" ", 0.1]

    async def calls() -> None:
        async with reached(service, way) as port:
            heard = await talk(port, *pieces)
            assert heard.status == 408

    run(calls())


@pytest.mark.parametrize("way", WAYS)
def test_a_slow_but_steady_upload_is_accepted(service: Service, way: str) -> None:
    """It takes three times the grace, at more than the least rate."""
    authorization = f"Authorization: Bearer {service.token('bob')}"
    body = json.dumps(chat()).encode().ljust(300_000)
    pieces: list[bytes | float] = [
        head("POST", CHAT, f"Content-Length: {len(body)}", authorization, "Connection: close")
    ]
    for at in range(0, len(body), 20_000):
        pieces += [body[at : at + 20_000], 0.1]

    async def calls() -> None:
        async with reached(service, way) as port:
            heard = await talk(port, *pieces)
            assert heard.status == 200
            assert heard.seconds > 1.4

    run(calls())


def test_the_rest_of_a_refused_body_is_not_read_without_end(service: Service) -> None:
    start = head("POST", CHAT, "Content-Length: 900000")
    drip = [piece for _ in range(20) for piece in (b" ", 0.2)]

    async def calls() -> None:
        async with replica(service.guard) as port:
            heard = await talk(port, start, *drip, wait_s=1.0)
            assert heard.status == 401
            assert heard.ended

    run(calls())


def test_what_serve_would_buffer_is_read_by_the_guard_first(make: Callable[..., Service]) -> None:
    """Serve reads on while a request waits for a place; it now gets only bodies that are read."""
    service = make(max_running=4)
    authorization = f"Authorization: Bearer {service.token('alice')}"
    start = head("POST", CHAT, "Transfer-Encoding: chunked", authorization)
    megabytes = [b"%x\r\n%s\r\n" % (2**20, b" " * 2**20)] * 20

    async def calls() -> None:
        serve = ServeStandIn(service.guard, places=1, queue=100)
        async with served(Front(serve, service.guard), BOUNDED) as p:
            await asyncio.gather(*(talk(p, start, *megabytes, wait_s=2.0) for _ in range(10)))
        assert serve.buffered == 0

    run(calls())


def test_one_user_does_not_take_all_memory_of_bodies() -> None:
    big = arrival.SMALL_BYTES + 1
    room = arrival.Room(4 * big)
    held = [room.hold("eve", big), room.hold("bob", big), room.hold("bob", big)]
    with pytest.raises(RefusedError) as refused:
        room.hold("bob", big)
    assert refused.value.status == 429
    assert refused.value.limit == arrival.OPEN_BODIES
    growing = room.hold("eve", None)
    growing.grow(10)
    growing.grow(big)
    with pytest.raises(RefusedError):
        room.hold("gina", big)
    room.hold("gina", arrival.SMALL_BYTES)  # small bodies do not count
    growing.release()
    room.hold("gina", big).release()
    for one in held:
        one.release()
    room.hold("bob", 4 * big).release()  # alone, a user may have all of it
    assert room._taken == 0
    assert room._by_caller == {}


@pytest.mark.parametrize("size", [1, 3, 1000, 65_536, 100_000])
def test_a_body_in_parts_of_any_size_is_read_whole(size: int) -> None:
    whole = bytes(range(256)) * 1000
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]

    async def receive() -> Any:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    assert run(arrival.read(receive, len(whole), arrival.REQUEST_PACE)) == whole


def test_a_cancelled_request_is_not_answered_as_a_slow_one() -> None:
    async def receive() -> Any:
        await asyncio.sleep(10)

    async def calls() -> None:
        task = asyncio.create_task(arrival.read(receive, 9, arrival.REQUEST_PACE))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(calls())


def test_every_late_body_is_cut_off_and_the_watch_ends_with_the_last_one() -> None:
    async def whole() -> Any:
        return {"type": "http.request", "body": b"x", "more_body": False}

    async def never() -> Any:
        await asyncio.sleep(60)

    async def calls() -> None:
        pace = arrival.Pace(0.1, 65_536)
        reading = [arrival.read(receive, 9, pace) for receive in (never, whole, never)]
        first, second, third = await asyncio.gather(*reading, return_exceptions=True)
        assert second == b"x"
        for late in (first, third):
            assert isinstance(late, RefusedError)
            assert late.code == "body_timeout"
        watch = arrival._watches[asyncio.get_running_loop()]
        assert not watch.arriving
        await asyncio.sleep(2 * arrival.WATCH_S)
        assert not watch._running

    run(calls())


def test_bodies_that_do_not_fit_are_refused(make: Callable[..., Service]) -> None:
    largest = dict.fromkeys(("body_bytes", "audio_body_bytes", "media_body_bytes"), 100_000)
    service = make(open_body_bytes=1, **largest)
    body = json.dumps(chat()).encode().ljust(90_000)
    authorization = f"Authorization: Bearer {service.token('alice')}"

    async def calls() -> None:
        async with (
            replica(service.guard) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            slow = head("POST", CHAT, "Content-Length: 90000", authorization)
            holding = asyncio.create_task(talk(port, slow, wait_s=3))
            await asyncio.sleep(0.2)
            headers = service.bearer("bob")
            answer = await client.post(CHAT, content=body, headers=headers)
            assert answer.status_code == 429
            assert answer.headers["x-ratelimit-limit-name"] == arrival.OPEN_BODIES
            assert int(answer.headers["retry-after"]) >= 1
            assert (await client.post(CHAT, json=chat(), headers=headers)).status_code == 200
            await holding
            assert (await client.post(CHAT, content=body, headers=headers)).status_code == 200

    run(calls())


def test_a_login_needs_a_length(service: Service) -> None:
    async def calls() -> None:
        async with replica(service.guard) as port:
            start = head("POST", "/token", "Transfer-Encoding: chunked", "Connection: close")
            heard = await talk(port, start, chunked(b"username=bob&password=x"))
            assert heard.status == 411
            assert json.loads(heard.responses[0][1])["error"]["code"] == "length_required"

    run(calls())
