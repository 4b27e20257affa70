"""Serve's HTTP server (uvicorn with httptools), with the bounds that it does not have itself.

uvicorn waits for a head without end, keeps one of any size, merges the trailers of a chunked body
into the headers of the request, reads on without end after an answer, and keeps a connection whose
client reads nothing. `install` replaces its protocol for all servers that are started afterwards in
this process. https://github.com/encode/uvicorn/blob/main/uvicorn/protocols/http/httptools_impl.py
"""

import asyncio
from typing import Any, cast

from uvicorn import config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_S = 15.0
"""From a connection's start, or the first byte of a later request, to the end of its head."""
FRAMING_BYTES = 65_536
"""What may arrive without being body: a head, the line of a chunk, or trailers."""
REST_S, REST_BYTES = 30.0, 32 * 1024**2
"""How long and how much of a body is still read after its answer, so that the client sees it."""
STALL_S = 60.0
"""How long an answer may wait for its reader to make room of 48 KiB, uvicorn's buffer."""

PEER = "rayline.peer"
"""The scope's key of the address at the other end. uvicorn overwrites `client` by what
X-Forwarded-For says, whoever sends it from 127.0.0.1 or from FORWARDED_ALLOW_IPS."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Trailers are dropped, which RFC 9110, section 6.5.1, permits."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._in_head, self._in_body = True, False
        self._framing = self._rest = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._framing += len(data)
        if self._in_head and self._head_timer is None:
            self._await_head()
        super().data_received(data)
        if self._framing > FRAMING_BYTES and not self.transport.is_closing():
            if self._in_head and self._answered():
                text = b"The head of the request is too large."
                self.transport.write(
                    STATUS_LINE[431]
                    + b"content-type: text/plain\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
                    % len(text)
                    + text
                )
                self._close()
            else:
                self.transport.abort()

    def handle_websocket_upgrade(self) -> None:
        self._stop_timers()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        super().send_400_response(msg)
        self.loop.call_later(STALL_S, self.transport.abort)

    def on_message_begin(self) -> None:
        self._in_head, self._in_body, self._rest = True, False, 0
        super().on_message_begin()
        cast(dict[str, Any], self.scope)[PEER] = self.client

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._framing = 0
        self._in_head, self._in_body = False, True
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._framing = 0
        if self.cycle.response_complete:
            self._rest += len(body)
            if self._rest > REST_BYTES:
                self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._framing = 0
        self._in_head, self._in_body = True, False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self.loop.call_later(STALL_S, self.transport.abort)
        elif self._in_body and self.cycle.response_complete:
            self.loop.call_later(REST_S, self._end_rest, self.cycle)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.loop.call_later(STALL_S, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_S, self._end_head)

    def _end_head(self) -> None:
        self._head_timer = None
        if self._answered():
            self._close()
        else:
            self._await_head()  # the next head waits behind an answer that is still being sent

    def _end_rest(self, cycle: Any) -> None:
        if self._in_body and self.cycle is cycle:
            self._close()

    def _close(self) -> None:
        self.transport.close()
        self.loop.call_later(STALL_S, self.transport.abort)

    def _stop_timers(self) -> None:
        for timer in (self._head_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._stall_timer = None


def install() -> list[Any]:
    """Let every server that is started later in this process use `BoundedProtocol`.

    Serve also calls it in the process of its own proxy, where the environment names it in
    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH, and takes the answer for middlewares to add: none.
    """
    for name in ("auto", "httptools"):
        config.HTTP_PROTOCOLS[name] = f"{__name__}:{BoundedProtocol.__name__}"
    return []
