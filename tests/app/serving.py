"""An ASGI application on a real socket of the loopback, for raw requests."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn


@asynccontextmanager
async def served(app: Any, http: str = "httptools", root_path: str = "") -> AsyncIterator[int]:
    """The port of a server on this event loop. `http` is uvicorn's parser; Serve uses httptools."""
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
