"""Reads the bytes of request bodies, bounded while they arrive."""

import asyncio
from typing import Any

from app.asgi import Receive
from app.errors import RefusedError

TIMEOUT_S = 30.0


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


def declared_length(value: bytes | None, maximum: int) -> None:
    """Refuse by Content-Length, before a byte is read: 413 if too large, 400 if not a number."""
    if value is None:
        return
    if not value.isdigit() or len(value) > 19:
        raise RefusedError(400, "invalid_header", "Content-Length must be a number of bytes.")
    if int(value) > maximum:
        raise too_large(maximum)


def too_large(maximum: int) -> RefusedError:
    """413 that states what is allowed."""
    return RefusedError(413, "body_too_large", f"The body is too large; allowed: {maximum} bytes.")


async def read(receive: Receive, maximum: int) -> bytes:
    """The whole body, of up to `maximum` bytes.

    Raises RefusedError 413 when it is larger, 408 when it takes longer than TIMEOUT_S, or
    ClientGoneError.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > maximum:
            raise too_large(maximum)
        return body
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _rest(message, receive, maximum)
    except TimeoutError:
        text = f"The body did not arrive within {TIMEOUT_S:.0f} seconds."
        raise RefusedError(408, "body_timeout", text) from None


async def _rest(message: Any, receive: Receive, maximum: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        if size > maximum:
            raise too_large(maximum)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()
