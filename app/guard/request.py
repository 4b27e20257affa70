"""One request and its answer: ids, headers, failures, and one line of the access log."""

import logging
import time
from collections.abc import Callable, Iterable

from app.asgi import ASGIApp, Message, Receive, Scope, Send
from app.errors import Headers, RefusedError, new_request_id
from app.guard.arrival import ClientGoneError
from app.guard.backend import unavailable
from app.guard.front import Handed
from app.metrics.counts import NOBODY, Answered
from app.usage import Usage

_access = logging.getLogger("rayline.access")
_log = logging.getLogger("rayline.guard")


class Request:
    """A request from its arrival to its log line, with its caller and its outcome."""

    __slots__ = (
        "_began", "_complete", "_end", "_gone", "_replaced", "_send", "address", "anthropic",
        "caller", "extra", "id", "note", "receive", "refusal", "role", "route", "scope", "serve",
        "serve_root", "status", "usage",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A server may add trailers to the scope's list of headers while the body arrives.
        self.scope = {**scope, "headers": tuple(scope["headers"])}
        self.receive = receive
        self.serve: ASGIApp | None = None
        """Serve's application, where it has not taken the request in, and the root path it expects.
        """
        self.serve_root = ""
        self._send = send
        self.id = new_request_id()
        self.status = 0
        self.route = self.caller = self.note = "-"
        self.role = NOBODY
        self.refusal = ""
        """The word for why it was refused, as far as the guard did it."""
        self.usage: Usage | None = None
        client = scope.get("client")
        self.address: str = client[0] if client else "-"
        """The client's; until the headers are read, that of the connection."""
        self.extra: Headers = []
        """Headers that every answer gets."""
        self.anthropic = False
        """Whether the client reads errors in the form of Anthropic's API."""
        self._began = time.perf_counter()
        self._replaced = self._complete = self._gone = False
        self._end = ""

    async def fail(self, error: Exception) -> None:
        """Answer a request that could not be completed, as far as that is still possible."""
        if isinstance(error, RefusedError):
            self._end = "timeout" if error.status == 408 else "refused"
            self.refusal = error.limit or error.code
            self.note = error.limit or (error.code if self.note == "-" else self.note)
            await self._refuse(error)
            return
        if isinstance(error, ClientGoneError):
            self.gone()
            return
        # Without the message and the traceback's values, which may contain a prompt.
        _log.error("id=%s %s at %s", self.id, type(error).__name__, _innermost(error))
        self.note, self._end = "internal_error", "error"
        if self._complete:
            return
        if self.status:
            raise BrokenAnswerError(f"the answer to {self.id} broke off") from None
        text = f"Internal server error; report the request id {self.id} to the operator."
        await self._refuse(RefusedError(500, "internal_error", text))

    def gone(self) -> None:
        """The client has closed the connection; it may have read the whole answer before."""
        self._gone = not self._complete

    async def answer(self, status: int, body: bytes, headers: Headers) -> None:
        """Send a complete JSON answer, or one without content (204)."""
        self.status = status
        common = [(b"x-request-id", self.id.encode()), *self.extra]
        if status != 204:
            common += [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"x-content-type-options", b"nosniff"),
            ]
        if status == 408:
            common.append((b"connection", b"close"))  # the rest of the body would come before it
        if self.scope["method"] == "HEAD":
            body = b""
        await self._send(
            {"type": "http.response.start", "status": status, "headers": common + headers}
        )
        await self._send({"type": "http.response.body", "body": body})
        self._complete = True

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the engine's application answer, through Serve where it has not seen the request."""
        if self.serve is None:
            await app(scope, receive, send)
        else:
            scope["root_path"] = self.serve_root
            await Handed(app).through(self.serve, scope, receive, send)

    def replay(self, body: bytes) -> Receive:
        """A `receive` that returns the body that was read and then waits for the client's
        disconnect."""
        left: bytes | None = body
        receive_next = self.receive

        async def receive() -> Message:
            nonlocal left, body
            if left is None:
                message = await receive_next()
                if message["type"] == "http.disconnect":
                    self.gone()
                return message
            message = {"type": "http.request", "body": left, "more_body": False}
            left, body = None, b""  # so that a long stream does not keep them
            return message

        return receive

    def relay(self, alive: Callable[[], bool]) -> Send:
        """A `send` that adds the request's id, and replaces errors that clients could not read."""
        send_on = self._send

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                status: int = message["status"]
                refusal = _replacement(status, message.get("headers", ()), alive)
                if refusal is not None:
                    self._replaced = True
                    self.note = refusal.code
                    self._end = "" if alive() else "engine_died"
                    await self._refuse(refusal)
                    return
                self.status = status
                kept = [h for h in message.get("headers", ()) if h[0].lower() != b"x-request-id"]
                kept.append((b"x-request-id", self.id.encode()))
                kept += self.extra
                message = {**message, "headers": kept}
            elif self._replaced:
                return
            elif not message.get("more_body"):
                self._complete = True
                if not alive():
                    self._end = "engine_died"
            await send_on(message)

        return send

    async def _refuse(self, refusal: RefusedError) -> None:
        body = refusal.body(anthropic=self.anthropic)
        await self.answer(refusal.status, body, refusal.headers())

    def answered(self) -> Answered:
        """What the metrics count of it."""
        usage = self.usage
        return Answered(
            self.role,
            self.caller,
            self.route if self.route != "-" else NOBODY,
            self.status,
            self.refusal,
            usage.prompt_tokens if usage is not None else 0,
            usage.completion_tokens if usage is not None else 0,
        )

    def write_log(self) -> None:
        """Write the one line of the access log."""
        if not _access.isEnabledFor(logging.INFO):
            return
        usage, now = self.usage or Usage(), time.perf_counter()
        first = usage.first_token_at
        _access.info(
            "id=%s method=%.8s route=%s user=%s address=%s status=%d ms=%.1f first_token_ms=%s "
            "prompt_tokens=%d completion_tokens=%d end=%s note=%s",
            self.id, _word(self.scope["method"]), self.route, _plain(self.caller),
            _plain(self.address), self.status, (now - self._began) * 1000,
            "-" if first is None else f"{(first - self._began) * 1000:.1f}", usage.prompt_tokens,
            usage.completion_tokens, self._outcome(), _plain(self.note),
        )  # fmt: skip

    def _outcome(self) -> str:
        """Why the request ended; docs/service.md lists the words."""
        if self._gone:
            return "client_gone"
        return self._end or ("complete" if self._complete else "broken")


class BrokenAnswerError(RuntimeError):
    """An answer began and cannot be completed, so the server must close the connection."""


def _replacement(
    status: int, headers: Iterable[tuple[bytes, bytes]], alive: Callable[[], bool]
) -> RefusedError | None:
    """The refusal that replaces an engine's error, or None to pass the answer on.

    It replaces errors that OpenAI's clients could not read or would misunderstand.
    """
    if status < 400:
        return None
    if status >= 500 and not alive():
        return unavailable()
    if status == 501:
        # vLLM's status for a task that the model does not have. Clients would retry any 5xx.
        return RefusedError(404, "not_supported", "The served model does not support this request.")
    kinds = [value for name, value in headers if name.lower() == b"content-type"]
    if kinds and kinds[0].startswith(b"application/json"):
        return None
    return RefusedError(status, "engine_error", f"The engine returned status {status}.")


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"


def _plain(text: str) -> str:
    """Text that can neither end a line of the log nor look like another field of it."""
    return text if text.isprintable() and " " not in text else "?"


def _word(text: str) -> str:
    return text if text.isascii() and text.isalpha() else "?"
