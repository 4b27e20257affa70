"""Attacks on any (host, port): malformed tokens, mutated requests, and bodies that should not pass.

The attacks do not depend on the server: the same lists go to the guard on a stub, to Ray Serve's
ingress port and to a replica's own port. Requests are written byte by byte over raw sockets,
because a client library would correct the very defects to be tested.
"""

import asyncio
import hashlib
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from tests.app.auth.bad_tokens import bad_authorizations
from tests.app.guard.body_attacks import Body, bodies
from tests.app.guard.mutations import HEADERS, HOSTS, METHODS, PATHS, TARGETS, VERSIONS

__all__ = [
    "Answer",
    "Attack",
    "Body",
    "bad_authorizations",
    "bodies",
    "fingerprint",
    "fire",
    "mutated_requests",
    "with_body",
]

OPEN_BODIES = frozenset({b'{"status":"ok"}'})
"""The bodies of GET /health and GET /ready: the only successes without a token."""


@dataclass(frozen=True)
class Attack:
    """One request as bytes on the wire; `name` describes the mutation."""

    name: str
    request: bytes


@dataclass(frozen=True)
class Answer:
    """Every (status, body) that was received; empty if the server only closed the connection."""

    attack: Attack
    responses: tuple[tuple[int, bytes], ...]

    def bypass(self, open_bodies: Collection[bytes] = OPEN_BODIES) -> bool:
        """Whether anything except a refusal or the answer of an open route was received."""
        return any(
            not (status >= 400 or status == 100 or body.strip() in open_bodies)
            and not (status == 200 and not body and b"HEAD " in self.attack.request[:8])
            for status, body in self.responses
        )


def mutated_requests(
    count: int = 2400, bearer: str = "", prefix: str = "", seed: int = 1
) -> list[Attack]:
    """At least `count` requests: each mutation alone on each target, then random combinations.

    `bearer` is the token of a caller who may not call the targets, or "" for no token. `prefix` is
    the application's route prefix without its final slash.
    """
    attacks = list(_single(bearer, prefix))
    chance = random.Random(seed)
    while len(attacks) < count:
        path, host, header = chance.choice(PATHS), chance.choice(HOSTS), chance.choice(HEADERS)
        method, target = chance.choice(TARGETS)
        if chance.random() < 0.4:
            method = chance.choice(METHODS)
        version = chance.choice(VERSIONS) if chance.random() < 0.3 else VERSIONS[0]
        name = f"{method} {target}: {path[0]}, Host {host[0]}, {header[0]}, {version}"
        request = _request(method, prefix + path[1](target), host[1], header[1], bearer, version)
        attacks.append(Attack(name, request))
    return attacks


def with_body(given: Body, bearer: str) -> Attack:
    """A request with this body and the token `bearer`."""
    lines = [
        f"POST {given.path} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {given.content_type}",
        f"Content-Length: {len(given.content)}",
        f"Authorization: Bearer {bearer}",
        "Connection: close",
    ]
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return Attack(f"{given.kind} at {given.path}: {given.name}", head + given.content)


def _single(bearer: str, prefix: str) -> Iterator[Attack]:
    usual = HOSTS[0][1]
    for method, target in TARGETS:
        for name, mutate in PATHS:
            request = _request(method, prefix + mutate(target), usual, [], bearer)
            yield Attack(f"{method} {target}: path {name}", request)
            if prefix:
                request = _request(method, mutate(prefix + target), usual, [], bearer)
                yield Attack(f"{method} {target}: whole path {name}", request)
        for name, host in HOSTS:
            request = _request(method, prefix + target, host, [], bearer)
            yield Attack(f"{method} {target}: Host {name}", request)
        for name, headers in HEADERS:
            request = _request(method, prefix + target, usual, headers, bearer)
            yield Attack(f"{method} {target}: headers {name}", request)
        for other in METHODS:
            request = _request(other, prefix + target, usual, [], bearer)
            yield Attack(f"{method} {target}: method {other}", request)
        for version in VERSIONS:
            request = _request(method, prefix + target, usual, [], bearer, version)
            yield Attack(f"{method} {target}: {version}", request)


def _request(
    method: str,
    target: str,
    host: Sequence[str],
    headers: Sequence[str],
    bearer: str,
    version: str = VERSIONS[0],
) -> bytes:
    body = b'{"model":"tiny","prompt":"x"}' if method.upper() not in ("GET", "HEAD") else b""
    lines = [f"{method} {target} {version}", *host, *headers]
    given = {line.partition(":")[0].lower() for line in headers}
    if body and not given & {"content-length", "transfer-encoding"}:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    if "transfer-encoding" in given:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    if bearer and "authorization" not in given:
        lines.append(f"Authorization: Bearer {bearer}")
    if "connection" not in given:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body


async def fire(
    host: str, port: int, attacks: Sequence[Attack], at_once: int = 32, silence_s: float = 0.5
) -> list[Answer]:
    """Send every attack on a separate connection; the answers, in the same order."""
    gate = asyncio.Semaphore(at_once)

    async def one(attack: Attack) -> Answer:
        async with gate:
            return Answer(attack, responses(await _talk(host, port, attack.request, silence_s)))

    return list(await asyncio.gather(*(one(attack) for attack in attacks)))


async def _talk(host: str, port: int, request: bytes, silence_s: float) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    received = b""
    try:
        writer.write(request)
        await writer.drain()
        while True:
            # A pause ends it, because a server that considers the request incomplete gives no other
            # end.
            async with asyncio.timeout(silence_s):
                piece = await reader.read(65536)
            if not piece:
                break
            received += piece
    except (TimeoutError, ConnectionError, OSError):
        pass
    finally:
        writer.close()
    return received


def responses(stream: bytes) -> tuple[tuple[int, bytes], ...]:
    """The (status, body) of each response in the bytes of a connection; status 0 for bytes that are
    not HTTP.
    """
    received = []
    while stream:
        head, _, rest = stream.partition(b"\r\n\r\n")
        words = head.split(None, 2)
        if not head.startswith(b"HTTP/1.") or len(words) < 2 or not words[1].isdigit():
            received.append((0, stream))
            break
        length = len(rest)
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length" and value.strip().isdigit():
                length = int(value)
        if 100 <= int(words[1]) < 200:
            length = 0
        received.append((int(words[1]), rest[:length]))
        stream = rest[length:]
    return tuple(received)


def fingerprint(attacks: Sequence[Attack]) -> str:
    """A hash of the list for reports; the same seed gives the same attacks."""
    return hashlib.sha256(b"\0".join(a.request for a in attacks)).hexdigest()[:12]
