"""Calls of a CI system's REST API: bounded retries, one-line errors that never show the token."""

import time
from collections.abc import Iterator
from typing import Any, Self

import httpx

from ci.errors import CommentError

_PER_PAGE = 100
_PAGE_LIMIT = 100
_ATTEMPTS = 5
_TIMEOUT = 20.0
_WAIT_LIMIT = 60.0
"""Seconds. If the server asks for more, the call fails."""


def pause(seconds: float) -> None:
    """Wait before the next attempt."""
    time.sleep(seconds)


class UnsureError(CommentError):
    """The server may or may not have carried out the call."""


class Rest:
    """One API with one token. Redirects are not followed: they would take the token elsewhere.

    `refused` is the hint for a token that lacks a permission.
    """

    def __init__(self, base: str, headers: dict[str, str], refused: str) -> None:
        self._refused = refused
        self._client = httpx.Client(
            base_url=base.rstrip("/"), headers=headers, timeout=_TIMEOUT, follow_redirects=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str) -> Any:
        """The decoded JSON of an answer. CommentError if the server refuses."""
        return _json(self._call("GET", path, None))

    def change(self, method: str, path: str, body: dict[str, str]) -> Any:
        """A call that may be repeated: PUT or PATCH."""
        return _json(self._call(method, path, body))

    def create(self, path: str, body: dict[str, str]) -> Any:
        """A POST; UnsureError if the server may or may not have carried it out."""
        return _json(self._call("POST", path, body))

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """Every entry of a list, over all of its pages."""
        joint = "&" if "?" in path else "?"
        for page in range(1, _PAGE_LIMIT + 1):
            answer = self._call("GET", f"{path}{joint}per_page={_PER_PAGE}&page={page}", None)
            entries = _json(answer)
            if not isinstance(entries, list):
                raise CommentError(f"GET {path}: expected a list, got {type(entries).__name__}")
            yield from entries
            if "next" not in answer.links:
                return
        raise CommentError(f"GET {path}: more than {_PAGE_LIMIT} pages of comments")

    def _call(self, method: str, path: str, body: dict[str, str] | None) -> httpx.Response:
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                answer = self._client.request(method, path, json=body)
            except httpx.TransportError as error:
                problem = f"{method} {path}: {type(error).__name__} {error}".strip()
                if method == "POST" and not isinstance(error, httpx.ConnectError):
                    raise UnsureError(problem) from None
                if last:
                    raise CommentError(
                        problem, "Check that the API's address is right and reachable."
                    ) from None
                pause(2.0**attempt)
                continue
            if answer.is_success:
                return answer
            problem = f"{method} {path}: {answer.status_code} {_message(answer)}".strip()
            wait = _wait(answer, attempt)
            if wait is None or last:
                raise CommentError(problem, self._hint(answer.status_code))
            if method == "POST" and answer.status_code >= 500:
                raise UnsureError(problem)
            if wait > _WAIT_LIMIT:
                raise CommentError(
                    f"{problem}; the server asks for a pause of {wait:.0f} s", "Run the job later."
                )
            pause(wait)
        raise AssertionError("the last attempt returns or raises")

    def _hint(self, status: int) -> str:
        if status in {401, 403}:
            return self._refused
        if status == 404:
            return "The token may not read this project, or the request no longer exists."
        if 300 <= status < 400:
            return "The API's address redirects; set the address that it redirects to."
        return ""


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        request = answer.request
        raise CommentError(
            f"{request.method} {request.url.path}: {answer.status_code}, but no JSON",
            "Check that the address is the API's, and not that of a login page in front of it.",
        ) from None


def _wait(answer: httpx.Response, attempt: int) -> float | None:
    """Seconds until the next attempt; None if a retry cannot help."""
    asked = answer.headers.get("retry-after", "")
    # Some servers answer a rate limit with 403; only then do they send Retry-After.
    limited = answer.status_code == 429 or (answer.status_code == 403 and asked)
    if not limited and answer.status_code < 500:
        return None
    return float(asked) if asked.isdigit() else 2.0**attempt


def _message(answer: httpx.Response) -> str:
    try:
        content = answer.json()
    except ValueError:
        return answer.reason_phrase
    text = content.get("message", content.get("error", "")) if isinstance(content, dict) else ""
    return " ".join(str(text).split())[:300]
