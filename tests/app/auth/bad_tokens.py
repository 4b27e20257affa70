"""Malformed tokens: every defect of a JWT that RFC 8725 and attackers know."""

import base64
import hmac
import json
import time
from typing import Any


def b64(data: bytes) -> bytes:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def signed(header: object, claims: object, secret: bytes, digest: str = "sha256") -> bytes:
    """A token with any header and claims, and an HMAC; bytes are used unchanged."""
    parts = [p if isinstance(p, bytes) else json.dumps(p).encode() for p in (header, claims)]
    text = b64(parts[0]) + b"." + b64(parts[1])
    return text + b"." + b64(hmac.new(secret, text, digest).digest())


def bad_authorizations(good: str, secret: bytes, user: str) -> dict[str, bytes]:
    """Values of an Authorization header, none of which may be accepted.

    `good` is a valid token and `secret` its key: many attacks are correctly signed but otherwise
    wrong.
    """
    token = good.encode()
    head, body, mac = token.split(b".")
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(head + b"=="))
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + b"=="))
    tokens: dict[str, bytes] = {
        **_broken_shapes(token, head, body, mac),
        **_bad_headers(header, claims, secret),
        **_bad_claims(header, claims, secret, user),
    }
    cases = {name: b"Bearer " + value for name, value in tokens.items()}
    return {**cases, **_bad_schemes(token)}


def _bad_schemes(token: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "only bearer": b"Bearer",
        "bearer and space": b"Bearer ",
        "no scheme": token,
        "basic": b"Basic " + token,
        "basic pair": b"Basic " + base64.b64encode(b"alice:alice"),
        "token scheme": b"Token " + token,
        "colon": b"Bearer: " + token,
        "two spaces": b"Bearer  " + token,
        "tab": b"Bearer\t" + token,
        "twice": b"Bearer Bearer " + token,
        "quoted": b'Bearer "' + token + b'"',
        "list": b"Bearer " + token + b", Bearer " + token,
        "trailing word": b"Bearer " + token + b" x",
        "latin-1": b"Bearer " + token[:-1] + b"\xe9",
        "null word": b"Bearer null",
        "undefined": b"Bearer undefined",
        "api key": b"Bearer sk-1234567890abcdef",
    }


def _broken_shapes(token: bytes, head: bytes, body: bytes, mac: bytes) -> dict[str, bytes]:
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(mac[-1:])
    return {
        "two parts": head + b"." + body,
        "no signature": head + b"." + body + b".",
        "four parts": token + b"." + mac,
        "five parts": b".".join([head, body, mac, head, body]),
        "dots": b"..",
        "empty payload": head + b".." + mac,
        "cut": token[:-1],
        "longer": token + b"A",
        "padded": token + b"=",
        "other bits, same bytes": token[:-1] + alphabet[last ^ 1 : (last ^ 1) + 1],
        "first bit of the signature": head + b"." + body + b"." + _flip(mac),
        "payload changed": head + b"." + _flip(body) + b"." + mac,
        "header changed": _flip(head) + b"." + body + b"." + mac,
        "standard alphabet": token.replace(b"-", b"+").replace(b"_", b"/") + b"+",
        "inner space": head + b" ." + body + b"." + mac,
        "percent": token.replace(b".", b"%2e"),
        "oversized": head + b"." + body + b"A" * 5000 + b"." + mac,
        "zero signature": head + b"." + body + b"." + b"A" * 43,
        "header not JSON": b64(b"not json") + b"." + body + b"." + mac,
        "header not base64": b"A." + body + b"." + mac,
    }


def _flip(text: bytes) -> bytes:
    return (b"B" if text[:1] != b"B" else b"C") + text[1:]


def _bad_headers(header: dict[str, Any], claims: object, secret: bytes) -> dict[str, bytes]:
    changes: dict[str, dict[str, Any]] = {
        "alg none": {"alg": "none"},
        "alg None": {"alg": "None"},
        "alg NONE": {"alg": "nOnE"},
        "alg empty": {"alg": ""},
        "alg null": {"alg": None},
        "alg list": {"alg": ["HS256"]},
        "alg RS256": {"alg": "RS256"},
        "alg ES256": {"alg": "ES256"},
        "alg EdDSA": {"alg": "EdDSA"},
        "alg lower": {"alg": "hs256"},
        "typ JWT": {"typ": "JWT"},
        "typ service": {"typ": "service+jwt"},
        "typ upper": {"typ": "AT+JWT"},
        "kid unknown": {"kid": "0" * 16},
        "kid path": {"kid": "../../../../dev/null"},
        "kid SQL": {"kid": "' UNION SELECT 'a"},
        "kid number": {"kid": 1},
        "kid list": {"kid": [header["kid"]]},
        "kid null": {"kid": None},
        "jku": {"jku": "https://attacker.example/keys"},
        "jwk": {"jwk": {"kty": "oct", "k": "AAAA"}},
        "x5u": {"x5u": "https://attacker.example/cert"},
        "x5c": {"x5c": ["AAAA"]},
        "crit": {"crit": ["exp"]},
        "crit unknown": {"crit": ["b64"], "b64": False},
        "zip": {"zip": "DEF"},
        "cty": {"cty": "JWT"},
    }
    cases = {n: signed({**header, **change}, claims, secret) for n, change in changes.items()}
    for name in ("alg", "typ", "kid"):
        without = {k: v for k, v in header.items() if k != name}
        cases[f"without {name}"] = signed(without, claims, secret)
    unsigned = b64(json.dumps({**header, "alg": "none"}).encode()) + b"."
    cases["alg none, no signature"] = unsigned + b64(json.dumps(claims).encode()) + b"."
    cases["HS512"] = signed({**header, "alg": "HS512"}, claims, secret, "sha512")
    cases["HS384"] = signed({**header, "alg": "HS384"}, claims, secret, "sha384")
    cases["empty key"] = signed(header, claims, b"")
    cases["other key"] = signed(header, claims, b"x" * 32)
    cases["kid as key"] = signed(header, claims, str(header["kid"]).encode())
    cases["header list"] = signed([header], claims, secret)
    cases["header number"] = signed(1, claims, secret)
    cases["header deep"] = signed(b"[" * 1400, claims, secret)
    return cases


def _bad_claims(
    header: dict[str, Any], claims: dict[str, Any], secret: bytes, user: str
) -> dict[str, bytes]:
    now = int(time.time())
    changes: dict[str, dict[str, Any]] = {
        "expired": {"iat": now - 7200, "exp": now - 3600},
        "exp text": {"exp": str(now + 3600)},
        "exp float": {"exp": now + 3600.5},
        "exp true": {"exp": True},
        "exp null": {"exp": None},
        "exp list": {"exp": [now + 3600]},
        "exp huge": {"exp": 10**400},
        "exp infinite": {"exp": float("inf")},
        "exp NaN": {"exp": float("nan")},
        "exp before iat": {"exp": now - 100, "iat": now - 50},
        "iat in the future": {"iat": now + 3600, "exp": now + 7200},
        "iat text": {"iat": "now"},
        "iat negative": {"iat": -1},
        "iss other": {"iss": "https://attacker.example"},
        "iss null": {"iss": None},
        "iss list": {"iss": [claims["iss"]]},
        "aud other": {"aud": "another-service"},
        "aud list": {"aud": [claims["aud"], "x"]},
        "aud null": {"aud": None},
        "sub unknown": {"sub": "nobody"},
        "sub upper": {"sub": user.upper()},
        "sub space": {"sub": user + " "},
        "sub zero byte": {"sub": user + "\0"},
        "sub empty": {"sub": ""},
        "sub number": {"sub": 1},
        "sub list": {"sub": [user]},
        "sub object": {"sub": {"username": user}},
        "role added": {"role": "admin"},
        "nbf added": {"nbf": now + 3600},
        "jti number": {"jti": 1},
        "ver other": {"ver": "0" * 16},
        "ver null": {"ver": None},
    }
    cases = {n: signed(header, {**claims, **change}, secret) for n, change in changes.items()}
    for name in claims:
        without = {k: v for k, v in claims.items() if k != name}
        cases[f"without {name}"] = signed(header, without, secret)
    cases["claims empty"] = signed(header, {}, secret)
    cases["claims list"] = signed(header, [claims], secret)
    cases["claims text"] = signed(header, "alice", secret)
    cases["claims null"] = signed(header, None, secret)
    cases["claims not JSON"] = signed(header, b"{", secret)
    cases["claims not UTF-8"] = signed(header, b'{"sub": "\xff"}', secret)
    cases["claims deep"] = signed(header, b'{"a":' * 450, secret)
    return cases
