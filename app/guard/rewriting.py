"""Answers of vLLM that depend on the caller's role: they are collected, changed and then sent."""

from collections.abc import Callable

from app.asgi import Message, Send


def rewriting(send: Send, rewrite: Callable[[bytes], bytes]) -> Send:
    """A `send` that passes the whole body of a successful answer through `rewrite`."""
    start: Message = {}
    body = b""

    async def collect(message: Message) -> None:
        nonlocal start, body
        if message["type"] == "http.response.start":
            start = message
            return
        body += message.get("body", b"")
        if message.get("more_body"):
            return
        answer = rewrite(body) if start["status"] == 200 else body
        headers = [h for h in start["headers"] if h[0].lower() != b"content-length"]
        headers.append((b"content-length", str(len(answer)).encode()))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return collect
