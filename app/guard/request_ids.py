"""Ensures one `x-request-id` per answer: the guard's, which is in the log.

Ray Serve adds a header of that name to every answer of a replica, even if the answer already has
one. Clients would then read both as one id that appears in no log.
"""

from typing import Any

from app.asgi import ASGIApp, Message, Receive, Scope, Send
from app.errors import new_request_id

_NAME = b"x-request-id"


class SingleRequestId:
    """Replaces Serve's middleware; adds the header only to answers of Serve itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def once(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if not any(bytes(name).lower() == _NAME for name, _ in headers):
                    headers.append((_NAME, new_request_id().encode()))
                    message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, once)


def install(http_util: Any) -> None:
    """Replace the middleware in `ray.serve._private.http_util`, before Serve starts a server.

    The module is not Ray's public interface. If Ray drops the name, this has no effect and the
    end-to-end test of the header fails.
    """
    http_util.RequestIdMiddleware = SingleRequestId
