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


@asynccontextmanager
async def served(app: Any, http: str = "httptools", root_path: str = "") -> AsyncIterator[int]:
    """The port of a server on this event loop.

    `http` is uvicorn's parser. Serve uses httptools, from which `BOUNDED` is made.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=http, root_path=root_path, lifespan="off", log_config=None, access_log=False
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
async def replica(guard: Any, **options: Any) -> AsyncIterator[int]:
    """The port of a replica: its server, the guard, and a stand-in for Serve behind it."""
    async with served(Front(ServeStandIn(guard, **options), guard), BOUNDED) as port:
        yield port
