"""The two errors that leave the service: a refused request and an unusable environment.

Refusals have OpenAI's error shape, so that OpenAI's clients raise their own typed exceptions. The
body is `{"error": {"message", "type", "param", "code"}}`; on the routes of Anthropic's API it also
has `"type": "error"`, and Anthropic's words for the type of the error. The request's id is in the
header `x-request-id` and not in the body, so refusals that must be indistinguishable are
byte-identical.
"""

import json
import math
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
ANTHROPIC_TYPES: Mapping[int, str] = {
    413: "request_too_large",
    500: "api_error",
    503: "overloaded_error",
}
"""The types of Anthropic's API (https://docs.anthropic.com/en/api/errors) that differ from ours."""
Headers = list[tuple[bytes, bytes]]


class ConfigurationError(ValueError):
    """The service cannot start, or reload, with this environment or auth-config.

    The message names the variable, what it holds and what it may hold. It never repeats a secret.
    """


class RefusedError(Exception):
    """An answer that the client gets without the engine being called.

    `message` is for the client: it states what was sent, what is allowed and what to do, and never
    repeats a secret or a prompt. `code` is the stable word for programs and for the log.
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

    def body(self, *, anthropic: bool = False) -> bytes:
        """The JSON body, in UTF-8; `anthropic` for a client of that API."""
        error = {
            "message": self.message,
            "type": TYPES.get(self.status, "invalid_request_error"),
            "param": self.param,
            "code": self.code,
        }
        if anthropic:
            error["type"] = ANTHROPIC_TYPES.get(self.status, error["type"])
            return json.dumps({"type": "error", "error": error}, ensure_ascii=False).encode()
        return json.dumps({"error": error}, ensure_ascii=False).encode()

    def headers(self) -> Headers:
        """The headers that this refusal adds to those of its content."""
        headers: Headers = []
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if self.retry_after is not None:
            # Upwards: a client that obeys must not come a moment too early.
            headers.append((b"retry-after", b"%d" % max(1, math.ceil(self.retry_after))))
        if self.limit is not None:
            headers.append((b"x-ratelimit-limit-name", self.limit.encode()))
        if self.allow is not None:
            headers.append((b"allow", self.allow.encode()))
        return headers


def new_request_id() -> str:
    """A fresh id for each request; an id chosen by the client could forge lines of the log."""
    return "req-" + secrets.token_hex(12)


def unauthorized(code: str = "invalid_token") -> RefusedError:
    """The one answer to every bad token: the log, not the client, learns which check failed."""
    message = (
        "A valid token is required. Send `Authorization: Bearer TOKEN` with a token from "
        "POST /token or a service token."
    )
    return RefusedError(401, code, message)


def too_many(limit: str, retry_after: float, message: str) -> RefusedError:
    """429 that names the limit in a header and in the message."""
    message = f"{message} (limit: {limit})"
    return RefusedError(429, "rate_limit_exceeded", message, retry_after=retry_after, limit=limit)


def out_of_bounds(field: str, problem: str) -> RefusedError:
    """400 for a field that asks for too much, or for what the caller may not set."""
    return RefusedError(400, "out_of_bounds", f"{field!r} {problem}.", param=field)
