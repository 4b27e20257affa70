"""An ASGI application, or a whole replica, on a real socket of the loopback, for raw requests."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from app.guard.front import Front
from tests.app.serve_stand_in import ServeStandIn

BOUNDED = "app.guard.http_server:BoundedProtocol"
KEEP_ALIVE_S = 90
"""Serve's limit of an idle connection; tests/app_live/test_waits_live.py compares."""


@asynccontextmanager
async def served(
    app: Any,
    http: str = "httptools",
    root_path: str = "",
    keep_alive_s: int = KEEP_ALIVE_S,
    port: int = 0,
) -> AsyncIterator[int]:
    """The port of a server on this event loop; a free one if `port` is 0.

    `http` is uvicorn's parser. Serve uses httptools, from which `BOUNDED` is made.
    """
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(
        app, http=http, root_path=root_path, lifespan="off", log_config=None, access_log=False,
        timeout_keep_alive=keep_alive_s,
    )  # fmt: skip
    server = uvicorn.Server(config)
    with contextlib.suppress(AttributeError):
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()


@asynccontextmanager
async def replica(
    guard: Any, keep_alive_s: int = KEEP_ALIVE_S, **options: Any
) -> AsyncIterator[int]:
    """The port of a replica: its server, the guard, and a stand-in for Serve behind it."""
    app = Front(ServeStandIn(guard, **options), guard)
    async with served(app, BOUNDED, keep_alive_s=keep_alive_s) as port:
        yield port
