"""The guard as a layer: bytes, disconnects and a dead engine."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse

from app.guard import arrival
from tests.app.calls import PATH, get, post
from tests.app.conftest import PASSWORDS, Service, chat, run
from tests.app.serving import served
from tests.app.stub import CHUNK, bare, described


def scope_of(service: Service, user: str = "bob", path: str = PATH) -> dict[str, Any]:
    authorization = service.bearer(user)["Authorization"].encode()
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", authorization), (b"content-type", b"application/json")],
        "client": ("192.0.2.1", 1),
    }


async def direct(service: Service, scope: dict[str, Any], received: list[Any]) -> list[Any]:
    """Call the guard as a server does; the messages that it sent, as the same objects."""
    sent: list[Any] = []

    async def receive() -> Any:
        return received.pop(0) if received else await asyncio.sleep(3600)

    async def send(message: Any) -> None:
        sent.append(message)

    await service.guard(scope, receive, send)
    return sent


def request(content: bytes = b'{"max_tokens":1}') -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": False}


def test_chunks_are_the_engines_own_objects(service: Service) -> None:
    sent_by_engine: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def noting(message: Any) -> None:
            sent_by_engine.append(message)
            await send(message)

        await bare(50)(scope, receive, noting)

    service.backend.app = described(app)
    sent = run(direct(service, scope_of(service), [request()]))
    assert len(sent) == 52
    assert all(a is b for a, b in zip(sent[1:], sent_by_engine[1:], strict=True))
    assert b"".join(m["body"] for m in sent[1:-1]) == CHUNK * 50


def test_streams_pass_through_a_socket_without_delay(service: Service) -> None:
    service.backend.chunks, service.backend.pause_s = 5, 0.05

    async def call() -> None:
        async with served(service.guard) as port, httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{port}{PATH}"
            arrivals, content = [], b""
            async with client.stream(
                "POST", url, json=chat(stream=True), headers=service.bearer("bob")
            ) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                async for piece in answer.aiter_raw():
                    arrivals.append(time.perf_counter())
                    content += piece
            assert content == CHUNK * 5 + b"data: [DONE]\n\n"
            assert arrivals[-1] - arrivals[0] > 0.15

    run(call())


def test_a_disconnected_client_ends_the_work_of_the_engine(service: Service) -> None:
    service.backend.chunks, service.backend.pause_s = 10_000, 0.01

    async def call() -> float:
        async with served(service.guard) as port, httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{port}{PATH}"
            async with client.stream(
                "POST", url, json=chat(stream=True), headers=service.bearer("bob")
            ) as answer:
                async for _ in answer.aiter_raw():
                    break
            left = time.perf_counter()
            await service.backend.cancelled.wait()
            took = time.perf_counter() - left
            while service.guard.running:
                await asyncio.sleep(0.001)
            return took

    assert run(call()) < 0.1


def test_the_engine_receives_the_disconnect(service: Service) -> None:
    received = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        received.extend([await receive(), await receive()])

    service.backend.app = described(app)
    run(direct(service, scope_of(service), [request(), {"type": "http.disconnect"}]))
    assert [m["type"] for m in received] == ["http.request", "http.disconnect"]


def test_a_client_that_disconnects_while_sending_reaches_no_engine(service: Service) -> None:
    begun = {"type": "http.request", "body": b"{", "more_body": True}
    sent = run(direct(service, scope_of(service), [begun, {"type": "http.disconnect"}]))
    assert sent == []
    assert (service.guard.running, service.backend.calls) == (0, [])


def test_a_body_that_does_not_arrive_times_out(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "REQUEST_PACE", arrival.Pace(0.05, 65_536))
    begun = {"type": "http.request", "body": b"{", "more_body": True}
    sent = run(direct(service, scope_of(service), [begun]))
    assert sent[0]["status"] == 408
    assert service.guard.running == 0


def test_websockets_are_closed(service: Service) -> None:
    scope = {**scope_of(service, "alice", "/v1/realtime"), "type": "websocket"}
    sent = run(direct(service, scope, [{"type": "websocket.connect"}]))
    assert [(m["type"], m["code"]) for m in sent] == [("websocket.close", 1008)]


def test_the_guard_answers_lifespan_itself(service: Service) -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = run(direct(service, {"type": "lifespan"}, messages))
    assert [m["type"] for m in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_health_and_ready(service: Service) -> None:
    backend = service.backend

    def both() -> list[int]:
        return [get(service, path).status_code for path in ("/health", "/ready")]

    assert both() == [200, 200]
    backend.is_ready = False
    assert both() == [200, 503]
    app, backend.app = backend.app, None
    assert both() == [503, 503]
    backend.app, backend.is_alive, backend.is_ready = app, False, True
    assert both() == [503, 503]


def test_a_dead_engine_is_503_with_retry_after(service: Service) -> None:
    service.backend.is_alive = False
    answer = post(service)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert answer.json()["error"]["type"] == "service_unavailable_error"
    assert post(service, user=None).status_code == 401
    assert run(service.login("bob", PASSWORDS["bob"])).status_code == 200


def test_an_engine_that_dies_during_a_request_is_503(service: Service) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        service.backend.is_alive = False
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"EngineDeadError"})

    service.backend.app = described(app)
    answer = post(service)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_unavailable")


def test_an_unsupported_request_is_404_instead_of_501(service: Service) -> None:
    service.backend.app = described(
        JSONResponse({"error": {"message": "not supported"}}, status_code=501)
    )
    answer = post(service)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_supported")


def test_a_route_that_the_model_lacks_is_404_in_openai_form(service: Service) -> None:
    """Like vLLM's application for an embedding model, which has no chat."""
    routes = service.backend.app.router.routes
    routes[:] = [route for route in routes if getattr(route, "path", "") != PATH]
    answer = post(service)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_supported")
    assert service.guard.running == 0
    assert post(service, "/v1/completions", json={}).is_success


def test_an_answer_that_breaks_off_ends_the_connection(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        raise RuntimeError("the prompt was: tell me a secret")

    service.backend.app = described(app)

    async def call() -> None:
        async with served(service.guard) as port, httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{port}{PATH}"
            with pytest.raises(httpx.RemoteProtocolError):
                await client.post(url, json=chat(), headers=service.bearer("bob"))

    run(call())
    assert "tell me a secret" not in caplog.text
    assert service.guard.running == 0
