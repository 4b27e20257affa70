"""A stub of the engine and of vLLM's application with its routes."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount

from app import cache_salt
from app.access.routes import PUBLIC, TABLE
from app.usage import current
from tests.app.guard.vllm_applications import all_routes

CHUNK = b'data: {"choices":[{"delta":{"content":"\xd0\xb4\xd0\xb0"}}]}\n\n'
PROMPT_TOKENS, COMPLETION_TOKENS = 5, 7
# Routes of the stub that the table does not list, as a newer vLLM might have.
UNLISTED = (("POST", "/v1/brand_new"), ("GET", "/debug/dump"), ("DELETE", "/v1/models"))


class StubBackend:
    """The part of an engine that the guard needs; a test may change every field."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, bytes]] = []
        self.headers: list[list[tuple[bytes, bytes]]] = []
        self.is_alive = self.is_ready = True
        self.cancelled = asyncio.Event()
        self.model_length: int | None = None
        self.models = ["tiny"]
        self.accepts_media = False
        self.salts: list[str] = []
        self.crash: BaseException | None = None
        self.chunks, self.pause_s = 5, 0.0
        self.app: Any = application(self)

    def alive(self) -> bool:
        return self.is_alive

    def ready(self) -> bool:
        return self.is_ready


def application(backend: StubBackend) -> FastAPI:
    """FastAPI with every route of the table, some unlisted routes, and vLLM's metrics mount.

    It describes itself as vLLM's applications do.
    """
    app = FastAPI()

    async def answer(request: Request) -> Response:
        body = await request.body()
        backend.calls.append((request.method, request.scope["path"], body))
        backend.headers.append(list(request.scope["headers"]))
        backend.salts.append(cache_salt.current.get())
        if backend.crash is not None:
            raise backend.crash
        usage = current.get()
        if usage is not None:
            usage.prompt_tokens += PROMPT_TOKENS
            usage.completion_tokens += COMPLETION_TOKENS
            usage.first_token_at = time.perf_counter()
        if b'"stream": true' in body or b'"stream":true' in body:
            return StreamingResponse(stream(backend), media_type="text/event-stream")
        if request.scope["path"].endswith("/v1/models"):
            return JSONResponse({"object": "list", "data": [{"id": m} for m in backend.models]})
        return JSONResponse({"object": "chat.completion", "path": request.scope["path"]})

    listed = [key for key, route in TABLE.items() if route.group != PUBLIC]
    for method, path in [*listed, *UNLISTED, ("GET", "/health")]:
        if path not in ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc", "/metrics"):
            app.add_api_route(path, answer, methods=[method])

    async def metrics(scope: Any, receive: Any, send: Any) -> None:
        await Response(b"metric 1\n")(scope, receive, send)

    async def socket(websocket: Any) -> None:
        await websocket.accept()

    app.router.routes.append(Mount("/metrics", metrics))
    app.add_api_websocket_route("/v1/realtime", socket)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Adds the bodies of vLLM's routes to the stub's description of itself."""
    own, vllm = app.openapi(), all_routes()
    for path, item in vllm["paths"].items():
        own["paths"][path]["post"] |= item["post"]
    own.setdefault("components", {}).setdefault("schemas", {}).update(vllm["components"]["schemas"])


def described(app: Any) -> Any:
    """A function as an application that says about its routes what vLLM's says."""
    app.openapi = all_routes
    return app


async def stream(backend: StubBackend) -> Any:
    """Yields chunks like an engine; sets `cancelled` when it is cancelled."""
    try:
        for _ in range(backend.chunks):
            yield CHUNK
            if backend.pause_s:
                await asyncio.sleep(backend.pause_s)
        yield b"data: [DONE]\n\n"
    except (asyncio.CancelledError, GeneratorExit):
        backend.cancelled.set()
        raise


def bare(chunks: int) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """The cheapest possible engine, to measure the layers in front of it."""
    start = {"type": "http.response.start", "status": 200, "headers": []}
    chunk = {"type": "http.response.body", "body": CHUNK, "more_body": True}
    end = {"type": "http.response.body", "body": json.dumps({}).encode()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(start)
        for _ in range(chunks):
            await send(chunk)
        await send(end)

    return app
