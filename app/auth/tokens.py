"""Tokens: JWT by the rules of RFC 8725, with one algorithm and keys identified by `kid`.

There are two kinds, which are not interchangeable: a user's (`typ` at+jwt, from POST /token; the
role is looked up at each request) and a service's (`typ` service+jwt, made by `python -m app.users
service-token`; it contains name and role). The header has exactly `alg`, `typ` and `kid`, so it
cannot carry a key, and the text must be the canonical base64url of its bytes.
"""

import base64
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jwt

from app.auth.config import AuthConfig, Key, User

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "rayline"
USER_TYPE, SERVICE_TYPE = "at+jwt", "service+jwt"
MAX_TOKEN_BYTES = 4096
LEEWAY_S = 60
"""The most by which the clocks of two replicas may differ: a token issued by one is accepted by the
other. It postpones the expiry of a token by as much, and nothing else: removals, revocations and
new passwords do not depend on a clock."""
MAX_SERVICE_DAYS = 3650
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHAPE = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}")
_COMMON = ("iss", "aud", "sub", "iat", "exp", "jti")
_CLAIMS: Mapping[str, frozenset[str]] = {
    USER_TYPE: frozenset({*_COMMON, "ver"}),
    SERVICE_TYPE: frozenset({*_COMMON, "role"}),
}
_MAX_CACHED = 4096


class TokenError(Exception):
    """The token is not valid. The message is one word for the log, never a part of the token."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The content of a token whose signature is valid. `exp` is in seconds since 1970."""

    kind: Literal["user", "service"]
    subject: str
    exp: int
    jti: str
    role: str
    """Role of a service; empty for a user."""
    version: str
    """Version of a user's password; empty for a service."""


def user_token(key: Key, user: User, minutes: int, now: float) -> str:
    """A user's access token."""
    claims = {**_base(user.username, now, minutes * 60), "ver": user.version}
    return _sign(key, USER_TYPE, claims)


def service_token(key: Key, name: str, role: str, days: int, now: float) -> tuple[str, str]:
    """A service's token and the id that revokes it; ValueError for a bad name or lifetime."""
    if not NAME.fullmatch(name):
        raise ValueError(f"the name is {name!r}; allowed: 1 to 64 letters, digits and . _ -")
    if not 1 <= days <= MAX_SERVICE_DAYS:
        raise ValueError(f"the lifetime is {days} days; allowed: 1 to {MAX_SERVICE_DAYS}")
    claims = {**_base(name, now, days * 86400), "role": role}
    return _sign(key, SERVICE_TYPE, claims), str(claims["jti"])


def _base(subject: str, now: float, lifetime_s: int) -> dict[str, Any]:
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "iat": int(now),
        "exp": int(now) + lifetime_s,
        "jti": secrets.token_hex(12),
    }


def _sign(key: Key, kind: str, claims: dict[str, Any]) -> str:
    headers = {"kid": key.kid, "typ": kind}
    return jwt.encode(claims, key.secret, algorithm=ALGORITHM, headers=headers)


class Verifier:
    """Verifies tokens and caches valid ones: the signature is checked once, the rest every time."""

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._now = wall_clock
        self._valid: dict[bytes, Claims] = {}
        self._generation = -1

    def verify(self, token: bytes, config: AuthConfig, generation: int) -> Claims:
        """The claims of a token that is valid now; raises only TokenError otherwise."""
        if generation != self._generation:
            self._valid.clear()
            self._generation = generation
        claims = self._valid.get(token)
        if claims is None:
            claims = _decode(token, config.keys, self._now())
            if len(self._valid) >= _MAX_CACHED:
                self._valid.clear()
            self._valid[token] = claims
        if self._now() >= claims.exp + LEEWAY_S and not config.skip_exp_check:
            raise TokenError("expired")
        return claims


def _decode(token: bytes, keys: tuple[Key, ...], now: float) -> Claims:
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenError("oversized")
    if not _SHAPE.fullmatch(token):
        raise TokenError("malformed")
    signature = token.rpartition(b".")[2]
    if base64.urlsafe_b64encode(base64.urlsafe_b64decode(signature + b"=")) != signature + b"=":
        raise TokenError("not_canonical")
    text = token.decode("ascii")
    try:
        header = jwt.get_unverified_header(text)
        key = _key(header, keys)
        claims = jwt.decode(
            text,
            key.secret,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=LEEWAY_S,
            options={"require": list(_COMMON), "verify_exp": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise TokenError(type(error).__name__) from None
    return _claims(header["typ"], claims, now)


def _key(header: Mapping[str, Any], keys: tuple[Key, ...]) -> Key:
    if set(header) != {"alg", "typ", "kid"}:
        raise TokenError("header_fields")
    if header["alg"] != ALGORITHM or header["typ"] not in (USER_TYPE, SERVICE_TYPE):
        raise TokenError("algorithm_or_type")
    for key in keys:
        if key.kid == header["kid"]:
            return key
    raise TokenError("unknown_key")


def _claims(kind: str, claims: Mapping[str, Any], now: float) -> Claims:
    if set(claims) != _CLAIMS[kind]:
        raise TokenError("claims")
    if any(type(claims[name]) is not int for name in ("iat", "exp")):
        raise TokenError("claim_types")
    if any(type(claims[name]) is not str for name in set(claims) - {"iat", "exp"}):
        raise TokenError("claim_types")
    if not 0 <= claims["iat"] <= now + LEEWAY_S or not claims["iat"] < claims["exp"] < 2**53:
        raise TokenError("claim_times")
    is_user = kind == USER_TYPE
    return Claims(
        kind="user" if is_user else "service",
        subject=claims["sub"],
        exp=claims["exp"],
        jti=claims["jti"],
        role="" if is_user else claims["role"],
        version=claims["ver"] if is_user else "",
    )
