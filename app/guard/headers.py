"""Request headers: those that the guard reads, and those that the engine receives.

vLLM also takes instructions from headers (data-parallel rank, priority, session, adapter), so only
the headers listed here are passed on. The token is not one of them.
"""

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

from app.errors import RefusedError, unauthorized
from app.guard import client_address
from app.guard.bounds import Bounds

_PASSED_ON = frozenset(
    {b"accept", b"content-type", b"user-agent", b"anthropic-version", b"anthropic-beta"}
)
_ONCE = frozenset(
    {
        b"host", b"content-type", b"content-length", b"transfer-encoding",
        client_address.CLIENT, client_address.PROOF,
    }
)  # fmt: skip
_STEERS_SERVE = frozenset({b"x-request-timeout-seconds", b"x-request-disconnect-disabled"})
"""Ray Serve obeys these from any client: the first ends an answer with a 408 in Serve's own form,
the second keeps Serve from noticing that the client has disconnected."""
_HOST = (b"host", b"rayline")
"""The engine never sees the client's Host, so nothing behind the guard can be steered by it."""


@dataclass(frozen=True, slots=True)
class Received:
    """The headers that the guard reads; None where one is missing."""

    authorization: bytes | None
    api_key: bytes | None
    """x-api-key, the form of the token that Anthropic's clients send."""
    content_type: bytes | None
    length: bytes | None
    forwarded: bytes | None
    """X-Forwarded-For, all of its lines joined."""
    client: bytes | None
    """The client's address as Serve's HAProxy reports it, see `app.guard.client_address`."""
    proof: bytes | None
    """The proof that HAProxy reported it."""


def received(headers: Iterable[tuple[bytes, bytes]], bounds: Bounds) -> Received:
    """Read the headers of a request; RefusedError 431 for too many, 400 or 401 for a bad one."""
    size = count = 0
    values: dict[bytes, bytes] = {}
    for name, value in headers:
        count += 1
        size += len(name) + len(value)
        if name in values:
            if name == b"authorization":
                raise unauthorized()
            if name in _ONCE:
                text = f"The header {name.decode()} may be sent only once."
                raise RefusedError(400, "repeated_header", text)
            values[name] += b"," + value
        elif name in _STEERS_SERVE:
            text = f"The header {name.decode()} is not allowed; omit it."
            raise RefusedError(400, "header_not_allowed", text)
        else:
            values[name] = value
    if count > bounds.headers or size > bounds.header_bytes:
        allowed = f"{bounds.headers} headers of {bounds.header_bytes} bytes in total"
        text = f"The headers are too large; allowed: {allowed}."
        raise RefusedError(431, "headers_too_large", text)
    return Received(
        values.get(b"authorization"),
        values.get(b"x-api-key"),
        values.get(b"content-type"),
        values.get(b"content-length"),
        values.get(b"x-forwarded-for"),
        values.get(client_address.CLIENT),
        values.get(client_address.PROOF),
    )


def for_engine(
    scope: MutableMapping[str, Any], body: bytes, request_id: str
) -> MutableMapping[str, Any]:
    """The scope that vLLM's application receives: the checked path, our id, no token."""
    headers = [header for header in scope["headers"] if header[0] in _PASSED_ON]
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
