"""Request headers: the few that the guard reads, and the few that the engine gets.

vLLM takes instructions from headers too (data-parallel rank, priority, session, adapter), so only
headers listed here are handed on; the token is not among them.
"""

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

from app.errors import RefusedError, unauthorized
from app.guard import client_address
from app.guard.bounds import Bounds

_HANDED_ON = frozenset(
    {b"accept", b"content-type", b"user-agent", b"anthropic-version", b"anthropic-beta"}
)
_ONCE = frozenset({b"host", b"content-type", b"content-length", b"transfer-encoding"})
_STEERS_SERVE = frozenset({b"x-request-timeout-seconds", b"x-request-disconnect-disabled"})
"""Ray Serve obeys these of anyone: the first ends an answer with a 408 of Serve's own form, the
second keeps it from noticing that the client is gone."""
_HOST = (b"host", b"rayline")
"""The engine never sees the client's Host: nothing behind the guard can be steered by it."""


@dataclass(frozen=True, slots=True)
class Received:
    """The headers that decide something; None where one is missing."""

    authorization: bytes | None
    content_type: bytes | None
    length: bytes | None
    forwarded: bytes | None
    """X-Forwarded-For, all of its lines joined."""
    client: bytes | None
    proof: bytes | None
    """What Serve's HAProxy tells: see `app.guard.client_address`."""


def received(headers: Iterable[tuple[bytes, bytes]], bounds: Bounds) -> Received:
    """Read a request's headers; RefusedError 431 for too many, 400 or 401 for a wrong one."""
    size = count = 0
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        count += 1
        size += len(name) + len(value)
        if name in found:
            if name == b"authorization":
                raise unauthorized()
            if name in _ONCE:
                text = f"The header {name.decode()} may be sent once."
                raise RefusedError(400, "repeated_header", text)
            found[name] += b"," + value
        elif name in _STEERS_SERVE:
            text = f"The header {name.decode()} is not taken here; leave it out."
            raise RefusedError(400, "header_not_allowed", text)
        else:
            found[name] = value
    if count > bounds.headers or size > bounds.header_bytes:
        text = f"Too many headers; allowed: {bounds.headers}, {bounds.header_bytes} bytes."
        raise RefusedError(431, "headers_too_large", text)
    return Received(
        found.get(b"authorization"),
        found.get(b"content-type"),
        found.get(b"content-length"),
        found.get(b"x-forwarded-for"),
        found.get(client_address.CLIENT),
        found.get(client_address.PROOF),
    )


def for_engine(
    scope: MutableMapping[str, Any], body: bytes, request_id: str
) -> MutableMapping[str, Any]:
    """The scope that vLLM's application gets: the judged path, our id, no token."""
    headers = [header for header in scope["headers"] if header[0] in _HANDED_ON]
    headers.append(_HOST)
    headers.append((b"content-length", str(len(body)).encode()))
    headers.append((b"x-request-id", request_id.encode()))
    return {
        **scope,
        "headers": headers,
        "raw_path": scope["path"].encode("ascii"),
        "extensions": {},
        "state": {},
    }
