"""Refusals in OpenAI's error shape, so that OpenAI's clients raise their own typed exceptions.

The body is `{"error": {"message", "type", "param", "code"}}`. The request's id is in the header
`x-request-id` and not in the body: answers that must not differ by a byte, do not.
"""

import json
import secrets
from collections.abc import Mapping

TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "service_unavailable_error",
}
Headers = list[tuple[bytes, bytes]]


class RefusedError(Exception):
    """An answer that is given instead of calling the engine.

    `message` is for the client: it names what was given, what is allowed and what to do, and never
    repeats a secret or a prompt. `code` is the stable word that programs and the log use.
    `retry_after` is in seconds; `limit` is the name of the limit that was reached.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        limit: str | None = None,
        allow: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.limit = limit
        self.allow = allow

    def body(self) -> bytes:
        """The JSON body, in UTF-8."""
        error = {
            "message": self.message,
            "type": TYPES.get(self.status, "invalid_request_error"),
            "param": self.param,
            "code": self.code,
        }
        return json.dumps({"error": error}, ensure_ascii=False).encode()

    def headers(self) -> Headers:
        """The headers that belong to this refusal, besides the content's own."""
        headers: Headers = []
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if self.retry_after is not None:
            headers.append((b"retry-after", str(max(1, round(self.retry_after + 0.5))).encode()))
        if self.limit is not None:
            headers.append((b"x-ratelimit-limit-name", self.limit.encode()))
        if self.allow is not None:
            headers.append((b"allow", self.allow.encode()))
        return headers


def new_request_id() -> str:
    """An id of our own for each request: one given by the client could forge lines of the log."""
    return "req-" + secrets.token_hex(12)


def unauthorized(code: str = "invalid_token") -> RefusedError:
    """One answer for every bad token: which check failed is for the log, not for the client."""
    message = (
        "A valid token is needed: send `Authorization: Bearer TOKEN` with a token of POST /token "
        "or a service token."
    )
    return RefusedError(401, code, message)


def too_many(limit: str, retry_after: float, message: str) -> RefusedError:
    """429 that names the limit, in a header and in the message."""
    message = f"{message} (limit: {limit})"
    return RefusedError(429, "rate_limit_exceeded", message, retry_after=retry_after, limit=limit)
