"""Nothing waits without end, at the ingress and at a replica.

Each row of "Who ends what" in docs/service.md has a test here, in test_arrival.py or in
test_heads.py, through the real HAProxy. Limits are shortened. What ends an engine that hangs needs
a real one: tests/app_live/test_recovery.py.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.guard import arrival, http_server
from tests.app.conftest import PASSWORDS, Service, chat, run
from tests.app.guard.raw import head, talk
from tests.app.guard.reached import CHAT, WAYS, reached
from tests.app.serving import replica
from tests.app.stub import CHUNK, described

pytestmark = pytest.mark.usefixtures("short_limits")


@pytest.mark.parametrize("way", WAYS)
def test_probes_and_logins_answer_under_a_flood_of_slow_bodies(
    make: Callable[..., Service], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every place of the engine, of Serve and of its queue is asked for by a body that stops."""
    monkeypatch.setattr(arrival, "REQUEST_PACE", arrival.Pace(5.0, 65_536))
    service = make(max_running=8)
    authorization = f"Authorization: Bearer {service.token('alice')}"
    stopped = head("POST", CHAT, "Content-Length: 90000", authorization) + b" " * 30_000

    async def calls() -> None:
        async with reached(service, way, places=4, queue=2) as port:
            flood = [asyncio.create_task(talk(port, stopped, wait_s=8)) for _ in range(60)]
            await asyncio.sleep(1)
            assert service.guard.running == 8
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                for path in ("/health", "/ready", "/-/healthz"):
                    began = time.monotonic()
                    assert (await client.get(path)).status_code == 200
                    assert time.monotonic() - began < 1
                form = {"username": "bob", "password": PASSWORDS["bob"]}
                assert (await client.post("/token", data=form)).status_code == 200
            statuses = [heard.status for heard in await asyncio.gather(*flood)]
            assert statuses.count(429) == 52
            assert statuses.count(408) == 8

    run(calls())


def test_slow_logins_take_no_place_of_requests_and_leave_room_for_other_addresses(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the replica's port, where no HAProxy keeps them."""
    monkeypatch.setattr(arrival, "LOGIN_PACE", arrival.Pace(3.0, 65_536))

    async def calls() -> None:
        async with replica(service.guard, places=2, queue=1) as port:
            stopped = head("POST", "/token", "Content-Length: 30")
            flood = [asyncio.create_task(talk(port, stopped, wait_s=8)) for _ in range(60)]
            await asyncio.sleep(0.5)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                answer = await client.post(CHAT, json=chat(), headers=service.bearer("bob"))
                assert answer.status_code == 200
            other = httpx.AsyncHTTPTransport(local_address="127.0.0.9")
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", transport=other
            ) as client:
                form = {"username": "bob", "password": PASSWORDS["bob"]}
                assert (await client.post("/token", data=form)).status_code == 200
            statuses = [heard.status for heard in await asyncio.gather(*flood)]
            assert statuses.count(408) == arrival.MAX_OPEN_LOGINS_PER_ADDRESS
            assert statuses.count(429) == 60 - arrival.MAX_OPEN_LOGINS_PER_ADDRESS

    run(calls())


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_that_nobody_reads_ends(
    service: Service, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "STALL_S", 1.0)

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                body = b"x" * 65_536
                await send({"type": "http.response.body", "body": body, "more_body": True})
                await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            service.backend.cancelled.set()
            raise

    service.backend.app = described(endless)

    async def calls() -> None:
        limits = {"timeout client 60s": "timeout client 1s"}
        async with reached(service, way, limits) as port:
            body = json.dumps(chat(stream=True)).encode()
            authorization = f"Authorization: Bearer {service.token('bob')}"
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.write(head("POST", CHAT, authorization, f"Content-Length: {len(body)}") + body)
            await asyncio.sleep(0.5)
            assert service.guard.running == 1
            async with asyncio.timeout(8):
                await service.backend.cancelled.wait()
            await asyncio.sleep(0.1)
            assert service.guard.running == 0
            writer.close()

    run(calls())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [True, False])
def test_a_silent_engine_is_not_cut_off(
    service: Service, way: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every limit but that of the engine's silence is shorter than this silence."""
    monkeypatch.setattr(http_server, "STALL_S", 1.0)

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        if stream:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(3)
        if not stream:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": CHUNK})

    service.backend.app = described(silent)

    async def calls() -> None:
        limits = {"timeout client 60s": "timeout client 1s"}
        async with (
            reached(service, way, limits) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
        ):
            answer = await client.post(CHAT, json=chat(), headers=service.bearer("bob"))
            assert answer.status_code == 200
            assert answer.content == CHUNK

    run(calls())


def test_a_replica_that_stays_silent_is_answered_for(service: Service) -> None:
    async def calls() -> None:
        async def never(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.sleep(3600)

        service.backend.app = described(never)
        limits = {"timeout server 7200s": "timeout server 1s"}
        async with (
            reached(service, "ingress", limits) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
        ):
            answer = await client.post(CHAT, json=chat(), headers=service.bearer("bob"))
            assert answer.status_code == 504
            assert answer.json()["error"]["code"] == "engine_timeout"
            async with asyncio.timeout(2):
                while service.guard.running:
                    await asyncio.sleep(0.05)

    run(calls())


def test_one_address_does_not_take_all_connections_of_the_proxy(service: Service) -> None:
    async def calls() -> None:
        async with reached(
            service, "ingress", {"sc0_conn_cur gt 2048": "sc0_conn_cur gt 5"}
        ) as port:
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
            await asyncio.sleep(0.3)
            assert (await talk(port, head("GET", "/health"), wait_s=0.5)).responses == ()
            other = httpx.AsyncHTTPTransport(local_address="127.0.0.9")
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", transport=other
            ) as client:
                assert (await client.get("/health")).status_code == 200
            for _, writer in held:
                writer.close()

    run(calls())


@pytest.mark.parametrize("way", WAYS)
def test_an_idle_connection_ends(service: Service, way: str) -> None:
    """After its own limit: a pause may be longer than every other limit."""
    limits = {
        "timeout http-keep-alive 90s": "timeout http-keep-alive 3s",
        "timeout client 60s": "timeout client 1s",
    }
    ask = head("GET", "/health")

    async def calls() -> None:
        # HAProxy's own connection to the replica must not be what ends.
        idle_s = 3 if way == "replica" else 90
        async with reached(service, way, limits, keep_alive_s=idle_s) as port:
            heard = await talk(port, ask, 1.5, ask, wait_s=15.0)
            assert [status for status, _ in heard.responses] == [200, 200]
            assert heard.ended
            assert heard.seconds > 4.0

    run(calls())
