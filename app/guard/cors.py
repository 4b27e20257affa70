"""Cross-origin requests of browsers (CORS), for the origins that the operator lists.

Without a list no answer has a header of CORS, so browsers refuse to show it to other sites. A page
of a listed origin may call every route and read the answer, errors and streams included. The
service never allows credentials of the browser: callers are known by tokens, which a page must
send itself, so a page gains nothing from a user who has logged in elsewhere. A preflight has no
token (https://fetch.spec.whatwg.org/#cors-preflight-fetch); its answer is the same for every path,
so it reveals no route.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from app.errors import Headers

ANY = "*"
ORIGIN = re.compile(
    r"(?!http://.*:80$|https://.*:443$)[a-z][a-z0-9+.-]*://"
    r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?"
)
"""An origin as browsers send it: lower case, no path, no default port."""
_METHODS = (b"access-control-allow-methods", b"GET, HEAD, POST")
_MAX_AGE = (b"access-control-max-age", b"600")
"""Seconds for which a browser may reuse the answer to a preflight; Chromium's limit is 7200."""
_EXPOSED = (
    b"access-control-expose-headers",
    b"x-request-id, retry-after, x-ratelimit-limit-name",
)
"""What a page may read beside the headers that Fetch always exposes."""
_NAMES = re.compile(rb"[A-Za-z0-9-]+(?:[ \t]*,[ \t]*[A-Za-z0-9-]+)*")
_VARY = (b"vary", b"Origin")


def origin(text: str) -> str:
    """An allowed origin, or `*` for all; ValueError for one that no browser would send."""
    if text != ANY and not ORIGIN.fullmatch(text):
        raise ValueError(
            f"{text!r} is not an origin: scheme, host in lower case, and a port unless it is the "
            "scheme's default, without a path, such as https://chat.example.com"
        )
    return text


class Cors:
    """What answers to browsers contain. `origins` is not empty."""

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(text.encode() for text in origins if text != ANY)
        self._any = ANY in origins

    def headers(self, received: Iterable[tuple[bytes, bytes]]) -> Headers:
        """The headers of every answer to a request with these headers."""
        if self._any:
            return [(b"access-control-allow-origin", b"*"), _EXPOSED]
        sender = _only(received, b"origin")
        if sender not in self._origins:
            return [_VARY]  # a cache must not give this answer to an allowed page
        return [(b"access-control-allow-origin", sender or b""), _EXPOSED, _VARY]

    def preflight(self, scope: Mapping[str, Any]) -> Headers | None:
        """What the answer to an allowed preflight adds to `headers`; None for another request."""
        if scope["method"] != "OPTIONS":
            return None
        received = scope["headers"]
        sender = _only(received, b"origin")
        wanted = _only(received, b"access-control-request-method")
        if sender is None or wanted is None or not (self._any or sender in self._origins):
            return None
        answer = [_METHODS, _MAX_AGE]
        names = _only(received, b"access-control-request-headers")
        if names is not None and _NAMES.fullmatch(names):
            # Repeated, because `*` does not include Authorization.
            answer.append((b"access-control-allow-headers", names))
            answer.append((b"vary", b"Access-Control-Request-Headers"))
        return answer


def _only(received: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The value of a header that occurs once."""
    values = [value for found, value in received if found == name]
    return values[0] if len(values) == 1 else None
