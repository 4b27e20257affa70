"""A replica that is gone costs its clients at most a second: another one answers, or a 503 does.

The real HAProxy, with Serve's configuration and our lines. A replica is gone in two ways: its port
refuses, because its process ended; or packets to it are dropped, because its pod or node did.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from app.haproxy import CHECK_SECONDS
from tests.app.conftest import run
from tests.app.haproxy.proxy import free_ports, proxied
from tests.app.serving import served

SECONDS = 1.5
"""Of a machine whose cores are taken; without other work it is 0.8 s."""
CHAT = "/v1/chat/completions"
BODY = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}]}
App = Callable[[Any, Any, Any], Awaitable[None]]


@contextmanager
def refusing() -> Iterator[int]:
    (port,) = free_ports(1)
    yield port


@contextmanager
def dropping() -> Iterator[int]:
    """A listener whose queue is full: the kernel drops each further SYN, as nobody's address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(2):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            waiting.append(one)
        yield int(listener.getsockname()[1])
        for one in waiting:
            one.close()


GONE = [refusing, dropping]


def replica(calls: list[Any], text: bytes = b"{}") -> App:
    """Answers each request; probes are not counted."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/-/healthz":
            calls.append(scope["client"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": text})

    return app


async def posted(client: httpx.AsyncClient, **body: Any) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    answer = await client.post(CHAT, **(body or {"json": BODY}))
    return answer, time.monotonic() - began


async def in_parts() -> AsyncIterator[bytes]:
    """A body without a length, in chunks that come one by one."""
    for _ in range(16):
        yield b" " * 2**16
        await asyncio.sleep(0.01)


def calling(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=15)


def is_clear(answer: httpx.Response) -> bool:
    """In OpenAI's form, with the time after which to ask again."""
    assert answer.status_code == 503, answer.text
    assert answer.json()["error"]["code"] == "engine_unavailable"
    return int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("gone", GONE)
def test_the_only_replica_is_gone(gone: Callable[[], Any]) -> None:
    """The first requests notice it, and all later ones are refused at once."""
    asked: list[Any] = []

    async def calls() -> None:
        with gone() as lost:
            async with (
                served(replica(asked)) as fallback,
                proxied(lost, fallback) as port,
                calling(port) as client,
            ):
                for _ in range(3):
                    answer, seconds = await posted(client)
                    assert is_clear(answer)
                    assert seconds < SECONDS
                _, seconds = await posted(client)
                assert seconds < 0.5
                # Read to its end: a client that is still sending would see a reset instead.
                for content in (b" " * 2**20, b" " * 2**23, in_parts()):
                    answer, seconds = await posted(client, content=content)
                    assert is_clear(answer)
                    assert seconds < SECONDS
                # The proxy itself is in order, so Kubernetes keeps it.
                assert (await client.get("/-/healthz")).status_code == 200
        # Serve's own proxy would wait for a replica.
        assert asked == []

    run(calls())


@pytest.mark.parametrize("gone", GONE)
def test_another_replica_answers_in_place_of_one_that_is_gone(gone: Callable[[], Any]) -> None:
    asked: list[Any] = []

    async def calls() -> None:
        with gone() as lost:
            async with (
                served(replica(asked)) as other,
                proxied(lost, others=[other]) as port,
                calling(port) as client,
            ):
                for _ in range(20):
                    answer, seconds = await posted(client)
                    assert answer.status_code == 200
                    assert seconds < SECONDS
        assert len(asked) == 20

    run(calls())


class Killable:
    """A replica that answers `/` at once and streams without end elsewhere, until it is killed."""

    def __init__(self) -> None:
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def kill(self) -> None:
        self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n")
        if b"/stream" not in head:
            writer.write(b"0\r\n\r\n")


def test_a_killed_replica_does_not_attract_requests_while_the_other_is_busy() -> None:
    """It has the fewest connections, so HAProxy would choose it for each attempt."""

    async def calls() -> None:
        lost, other = Killable(), Killable()
        first, second = await lost.start(), await other.start()
        async with proxied(first, others=[second]) as port, calling(port) as client:
            streams = [client.stream("POST", "/stream") for _ in range(8)]
            for stream in streams:
                await stream.__aenter__()
            lost.kill()
            for _ in range(10):
                answer, seconds = await posted(client)
                assert answer.status_code == 200
                assert seconds < SECONDS
            other.kill()

    run(calls())


def test_a_request_that_a_replica_may_have_begun_is_not_sent_again() -> None:
    """It may be what ended that replica, and would end the next one."""
    asked: list[Any] = []

    async def dying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"POST" in await reader.readuntil(b"\r\n\r\n"):
            asked.append("dying")
            writer.transport.abort()
        else:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async def calls() -> None:
        server = await asyncio.start_server(dying, "127.0.0.1", 0)
        first, second = server.sockets[0].getsockname()[1], free_ports(1)[0]
        async with server, proxied(first, others=[second]) as port, calling(port) as client:
            answer, seconds = await posted(client)
            while answer.status_code == 503 and not asked:  # while the other is not known as gone
                answer, seconds = await posted(client)
            assert answer.status_code == 502
            assert seconds < SECONDS
            assert asked == ["dying"]

    run(calls())


def test_a_replica_that_comes_back_is_used_within_seconds() -> None:
    asked: list[Any] = []

    async def calls() -> None:
        (number,) = free_ports(1)
        async with proxied(number) as port, calling(port) as client:
            for _ in range(2):
                assert is_clear((await posted(client))[0])
            async with served(replica(asked), port=number):
                began = time.monotonic()
                while (await posted(client))[0].status_code != 200:
                    assert time.monotonic() - began < 3
                    await asyncio.sleep(0.05)

    run(calls())


def test_each_request_has_a_connection_of_its_own_to_the_replica() -> None:
    """On an older one, a request to a node that is gone would wait for TCP: for minutes."""
    asked: list[Any] = []

    async def calls() -> None:
        async with (
            served(replica(asked)) as port,
            proxied(port) as ingress,
            calling(ingress) as client,
        ):
            for _ in range(5):
                assert (await posted(client))[0].status_code == 200

    run(calls())
    assert len(set(asked)) == 5


@pytest.mark.parametrize(("before", "pause"), [(0.0, 1.5), (1.5, 3.0)], ids=["new", "known"])
def test_a_replica_that_answers_checks_late_is_not_gone(before: float, pause: float) -> None:
    """Its process is busy for a moment, which fails one check at most of a replica that is known;
    then it answers each check later than the next one is due."""
    quick = {"inter 5s": "inter 1s", f"timeout check {CHECK_SECONDS}s": "timeout check 2s"}
    began = time.monotonic() + before
    checks = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/-/healthz":
            checks.append(time.monotonic())
            if checks[-1] > began:
                await asyncio.sleep(max(0.6, began + pause - time.monotonic()))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def ask() -> None:
        async with (
            served(app) as own,
            proxied(own, limits=quick) as port,
            calling(port) as client,
        ):
            while time.monotonic() < began + pause + 2:
                answer, _ = await posted(client)
                assert answer.status_code == 200
                await asyncio.sleep(0.1)

    run(ask())
    assert len(checks) > 1
