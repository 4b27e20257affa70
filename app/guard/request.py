"""One request and its answer: ids, headers, what goes wrong, and the line of the log."""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable

from app.asgi import Message, Receive, Scope, Send
from app.errors import Headers, RefusedError, new_request_id
from app.guard.body import ClientGoneError
from app.usage import Usage

ENGINE_RETRY_S = 10.0
_access = logging.getLogger("rayline.access")
_log = logging.getLogger("rayline.guard")


def unavailable() -> RefusedError:
    """503 with Retry-After: there is no engine to ask."""
    text = "The engine is not running; it is started again by itself."
    return RefusedError(503, "engine_unavailable", text, retry_after=ENGINE_RETRY_S)


class Exchange:
    """One request and its answer: the id, what the log will say, and whether it has begun."""

    __slots__ = (
        "_began",
        "_complete", "_replaced", "_send", "id", "note", "receive", "route", "scope", "status",
        "usage", "who",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self._send = send
        self.id = new_request_id()
        self.status = 0
        self.route = self.who = self.note = "-"
        self.usage: Usage | None = None
        self._began = time.perf_counter()
        self._replaced = self._complete = False

    async def run(self, handle: Callable[["Exchange"], Awaitable[None]]) -> None:
        """Handle it, turn whatever goes wrong into an answer, and write one line of the log."""
        try:
            await handle(self)
        except RefusedError as refusal:
            self.note = refusal.limit or (refusal.code if self.note == "-" else self.note)
            await self._fail(refusal)
        except ClientGoneError:
            self.note = "client_gone"
        except Exception as error:
            # Not the message nor the traceback's values: they may hold a prompt.
            place = _innermost(error)
            _log.error("id=%s %s at %s", self.id, type(error).__name__, place)
            self.note = "internal_error"
            if self._complete:
                return
            if self.status:
                raise BrokenAnswerError(f"the answer to {self.id} broke off") from None
            text = f"The server failed; tell its operator the request id {self.id}."
            await self._fail(RefusedError(500, "internal_error", text))
        finally:
            self._write_log()

    async def answer(self, status: int, body: bytes, headers: Headers) -> None:
        """Send a whole JSON answer of our own."""
        self.status = status
        common = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-request-id", self.id.encode()),
        ]
        await self._send(
            {"type": "http.response.start", "status": status, "headers": common + headers}
        )
        await self._send({"type": "http.response.body", "body": body})
        self._complete = True

    def replay(self, body: bytes) -> Receive:
        """A `receive` that gives the body that was read and then whatever comes: a disconnect."""
        given = False
        later = self.receive

        async def receive() -> Message:
            nonlocal given
            if given:
                return await later()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        return receive

    def relay(self, alive: Callable[[], bool]) -> Send:
        """A `send` that adds the request's id, and answers 503 for an engine that has died."""
        passed = self._send

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                status: int = message["status"]
                refusal = _instead(status, message.get("headers", ()), alive)
                if refusal is not None:
                    self._replaced = True
                    self.note = refusal.code
                    await self._fail(refusal)
                    return
                self.status = status
                kept = [h for h in message.get("headers", ()) if h[0].lower() != b"x-request-id"]
                kept.append((b"x-request-id", self.id.encode()))
                message = {**message, "headers": kept}
            elif self._replaced:
                return
            elif not message.get("more_body"):
                self._complete = True
            await passed(message)

        return send

    async def _fail(self, refusal: RefusedError) -> None:
        await self.answer(refusal.status, refusal.body(), refusal.headers())

    def _write_log(self) -> None:
        if not _access.isEnabledFor(logging.INFO):
            return
        usage = self.usage or Usage()
        _access.info(
            "id=%s method=%.8s route=%s user=%s status=%d ms=%.1f prompt_tokens=%d "
            "completion_tokens=%d note=%s",
            self.id, _word(self.scope["method"]), self.route, self.who, self.status,
            (time.perf_counter() - self._began) * 1000, usage.prompt_tokens,
            usage.completion_tokens, self.note,
        )  # fmt: skip


class BrokenAnswerError(RuntimeError):
    """An answer had begun and could not be finished: the server must close the connection."""


def _instead(
    status: int, headers: Iterable[tuple[bytes, bytes]], alive: Callable[[], bool]
) -> RefusedError | None:
    """What a client gets for an engine's error that OpenAI's clients could not read."""
    if status < 400:
        return None
    if status >= 500 and not alive():
        return unavailable()
    if status == 501:
        # vLLM's word for what the model cannot do. Clients try a 5xx again, which is in vain here.
        return RefusedError(404, "not_supported", "The served model cannot do this.")
    kinds = [value for name, value in headers if name.lower() == b"content-type"]
    if kinds and kinds[0].startswith(b"application/json"):
        return None
    return RefusedError(status, "engine_error", f"The engine answered with status {status}.")


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"


def _word(text: str) -> str:
    return text if text.isascii() and text.isalpha() else "?"
