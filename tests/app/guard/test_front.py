"""The guard answers before Serve takes a request in, and checks again what it did not see."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from app.guard.front import HANDED, Front, Handed
from app.usage import current
from tests.app.conftest import Service, chat, run
from tests.app.guard.raw import head
from tests.app.guard.reached import CHAT
from tests.app.serve_stand_in import ServeStandIn
from tests.app.serving import BOUNDED, replica, served
from tests.app.stub import described


@pytest.mark.parametrize("prefix", ["/", "/m"])
def test_a_request_passes_serve_once_with_the_engines_headers(
    service: Service, prefix: str
) -> None:
    path = prefix.rstrip("/")

    async def calls() -> None:
        async with (
            replica(service.guard, prefix=prefix) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            headers = {**service.bearer("alice"), "x-data-parallel-rank": "1"}
            answer = await client.post(path + CHAT, json=chat(), headers=headers)
            assert answer.status_code == 200
            assert answer.headers.get_list("x-request-id")[0].startswith("req-")
            assert len(answer.headers.get_list("x-request-id")) == 1
            assert (await client.get(path + "/health")).status_code == 200
            probe = await client.get("/-/healthz")
            assert probe.text == "success"
            assert probe.headers["x-request-id"].startswith("req-")

    run(calls())
    ((_, seen, body),) = service.backend.calls
    assert seen.endswith(CHAT)
    assert json.loads(body) == chat()
    (headers,) = service.backend.headers
    assert not {b"authorization", b"x-data-parallel-rank"} & {name for name, _ in headers}


def test_serve_may_change_the_prefix_of_a_running_replica(service: Service) -> None:
    serve = ServeStandIn(service.guard)

    async def calls() -> None:
        async with (
            served(Front(serve, service.guard), BOUNDED) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            headers = service.bearer("bob")
            assert (await client.get("/v1/models", headers=headers)).status_code == 200
            serve._route_prefix = "/m"
            assert (await client.get("/v1/models", headers=headers)).status_code == 400
            assert (await client.get("/m/v1/models", headers=headers)).status_code == 200

    run(calls())


def test_a_request_that_did_not_pass_the_guard_is_checked_behind_serve(service: Service) -> None:
    """As from Serve's fallback proxy, or if Ray drops the name that is replaced."""
    serve = ServeStandIn(service.guard)

    async def calls() -> None:
        async with (
            served(serve) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            assert (await client.get("/v1/models")).status_code == 401
            headers = service.bearer("bob")
            assert (await client.get("/v1/models", headers=headers)).status_code == 200

    run(calls())


def test_the_tokens_of_an_abandoned_request_are_counted(service: Service) -> None:
    """Serve does not wait for an application that it cancels."""
    begun = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.2)  # until the engine has confirmed the end
            usage = current.get()
            assert usage is not None
            usage.completion_tokens += 11
            raise

    service.backend.app = described(slow)

    async def calls() -> None:
        async with replica(service.guard) as port:
            body = json.dumps(chat()).encode()
            authorization = f"Authorization: Bearer {service.token('bob')}"
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head("POST", CHAT, authorization, f"Content-Length: {len(body)}") + body)
            await begun.wait()
            writer.close()
            async with asyncio.timeout(3):
                while service.guard.running:
                    await asyncio.sleep(0.01)

    run(calls())
    assert service.limits.take_changes().spent["user:bob"] == (1, 11)


def test_an_error_of_the_engine_does_not_reach_serve(service: Service) -> None:
    """Serve would log it with its values, which may be a prompt."""
    service.backend.crash = ValueError("prompt text in an exception")
    reached_serve: list[BaseException] = []
    serve = ServeStandIn(service.guard)

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        try:
            await serve(scope, receive, send)
        except BaseException as error:
            reached_serve.append(error)
            raise

    async def calls() -> None:
        async with (
            served(Front(watched, service.guard), BOUNDED) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            answer = await client.post(CHAT, json=chat(), headers=service.bearer("bob"))
            assert answer.status_code == 500
            assert "prompt text" not in answer.text

    run(calls())
    assert reached_serve == []


def test_serve_may_run_the_application_on_another_loop() -> None:
    """As without RAY_SERVE_THROUGHPUT_OPTIMIZED."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.05)

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        handed = scope["extensions"][HANDED]
        await asyncio.to_thread(lambda: asyncio.run(handed.run(scope, receive, send)))

    async def calls() -> None:
        async with asyncio.timeout(3):
            await Handed(app).through(serve, {}, None, None)  # type: ignore[arg-type]

    run(calls())
