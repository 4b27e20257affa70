"""Puts the guard in front of Ray Serve's own code in a replica, not only behind it.

Serve takes a request in before it calls the application: it gives it one of a bounded number of
places, refuses `GET /health` too when they are all taken, obeys headers of any client, and reads
bodies into memory without a bound while they wait. The guard therefore answers first, at the
replica's HTTP server, and passes on to Serve only requests whose bodies have arrived and been
checked, with the headers that the engine gets (docs/adr/0028-waits.md).

The application that Serve itself calls is the same guard. It checks every request that did not come
this way, such as one of Serve's fallback proxy, so none goes around it if Ray changes the private
name that `install` replaces.
"""

import asyncio
import functools
from typing import Any

from app import cache_salt, usage
from app.asgi import ASGIApp, Message, Receive, Scope, Send
from app.errors import new_request_id
from app.guard import http_server

HANDED = "rayline.handed"
"""The key in a scope's extensions, which no client can write, of a request that was checked."""
SERVES_OWN = frozenset({"/-/healthz", "/-/routes"})
"""Serve answers these itself: KubeRay and HAProxy probe the first."""
_REQUEST_ID = b"x-request-id"


class Handed:
    """A checked request on its way through Serve to the engine's application."""

    __slots__ = ("_loop", "_salt", "_usage", "app", "begun", "ended", "error")

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._usage, self._salt = usage.current.get(), cache_salt.current.get()
        self.begun = False
        self._loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        self.error: Exception | None = None

    async def through(self, serve: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let Serve call the application; returns or raises once the application has ended.

        Serve does not wait for an application that it cancels, but the engine's last tokens are
        counted in it. Errors come back here, because Serve would log them with their values.
        """
        scope = {**scope, "extensions": {HANDED: self}}
        try:
            await serve(scope, receive, send)
        finally:
            if self.begun:
                await self.ended.wait()
        if self.error is not None:
            raise self.error

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What the guard does when Serve calls it with this request."""
        self.begun = True
        usage.current.set(self._usage)  # Serve may call in another context
        cache_salt.current.set(self._salt)
        try:
            await self.app({**scope, "extensions": {}}, receive, send)
        except Exception as error:
            self.error = error
        finally:
            # Outside its throughput mode, Serve runs the application on a loop of its own.
            if asyncio.get_running_loop() is self._loop:
                self.ended.set()
            else:
                self._loop.call_soon_threadsafe(self.ended.set)


class Front:
    """Replaces Serve's middleware for request ids, the outermost part of a replica's server."""

    def __init__(self, serve: ASGIApp, guard: Any) -> None:
        self._serve = serve
        self._guard = guard
        # Serve's application is a method of its replica. Serve tells our application the prefix
        # only after it has taken a request in, and may change it while the replica runs.
        self._replica = getattr(serve, "__self__", serve)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in SERVES_OWN:
            await self._serve(scope, receive, _with_id(send))
            return
        scope["client"] = scope.get(http_server.PEER, scope.get("client"))
        prefix = (getattr(self._replica, "_route_prefix", None) or "").rstrip("/")
        await self._guard.before_serve(self._serve, prefix, scope, receive, send)


def install(http_util: Any, guard: Any) -> None:
    """Replace the server's protocol and the middleware in `ray.serve._private.http_util`.

    It must be called before Serve starts the replica's server. The module is not Ray's public
    interface. If Ray drops the name, the guard still answers, but behind Serve, and
    tests/app_live/test_waits_live.py fails.
    """
    http_server.install()
    http_util.RequestIdMiddleware = functools.partial(Front, guard=guard)


def _with_id(send: Send) -> Send:
    """Adds the id that Serve's own middleware would add."""

    async def identified(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (_REQUEST_ID, new_request_id().encode())]
            message = {**message, "headers": headers}
        await send(message)

    return identified
