"""What Ray Serve does in a replica before it calls the application, as far as the guard notices.

It has a number of places and a queue, reads on into memory while a request waits, and cancels the
application when the client has disconnected, as `Replica._direct_ingress_asgi` of Ray 2.60 does.
The engine tests run the real one.
"""

import asyncio
from typing import Any

from app.guard.application import Guard


class ServeStandIn:
    """Serve's part of a replica with this many places and places to wait."""

    def __init__(self, guard: Guard, places: int = 8, queue: int = 4, prefix: str = "/") -> None:
        self._guard = guard
        self._places = asyncio.Semaphore(places)
        self._queue = queue
        self._waiting = 0
        self._route_prefix = prefix
        self.taken_in = 0
        """Requests that reached Serve."""
        self.buffered = 0
        """Bytes of bodies that it read."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.taken_in += 1
        if scope["path"] == "/-/healthz":
            await self._plain(send, 200, b"success")
            return
        if self._waiting >= self._queue:
            await self._plain(send, 429, b"Request dropped due to backpressure")
            return
        if self._route_prefix != "/":
            assert scope["path"].startswith(self._route_prefix + "/")
            scope["root_path"] = scope.get("root_path", "") + self._route_prefix
        messages: asyncio.Queue[Any] = asyncio.Queue()

        async def pump() -> None:
            while True:
                message = await receive()
                self.buffered += len(message.get("body", b""))
                messages.put_nowait(message)
                if message["type"] == "http.disconnect":
                    return

        async def call() -> None:
            self._waiting += 1
            try:
                await self._places.acquire()
            finally:
                self._waiting -= 1
            try:
                await self._guard(scope, messages.get, send)
            finally:
                self._places.release()

        reading, calling = asyncio.create_task(pump()), asyncio.create_task(call())
        done, _ = await asyncio.wait([reading, calling], return_when=asyncio.FIRST_COMPLETED)
        if calling in done:
            reading.cancel()
            await calling
            return
        calling.cancel()
        raise asyncio.CancelledError

    @staticmethod
    async def _plain(send: Any, status: int, body: bytes) -> None:
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
