"""Malformed tokens, mutated requests and websockets against the real ports: none gets through.

The lists are those of `tests/app`, which test the guard alone. Here Serve's ingress and the
replica's server parse the bytes first, each in its own way. vLLM's own count of requests shows that
none reached its application.
"""

import asyncio
import json
from collections import Counter

import httpx
import pytest

from app.access.routes import GROUPS, METRICS, OPERATE
from bench.serving.service import ENGINE, MODEL, PASSWORD, Service
from tests.app.guard import attacks, body_attacks
from tests.app_live.extra_role import extra_role
from tests.app_live.reached import reached

pytestmark = [pytest.mark.live]

TARGET = "/v1/chat/completions"
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
OPEN_TO_GUEST = (TARGET, "/v1/embeddings", "/v1/models", "/v1/responses")
# Statuses with which a proxy may answer a request that it cannot read or does not support: 501 for
# a method, 505 for a version. No other 5xx is a valid answer to a malformed request.
PROXY_REFUSALS = frozenset({501, 505})


def fire(
    base: str, requests: list[attacks.Attack], at_once: int = 32, silence_s: float = 3
) -> list[attacks.Answer]:
    url = httpx.URL(base)
    return asyncio.run(attacks.fire(url.host, url.port or 80, requests, at_once, silence_s))


def test_malformed_tokens_are_401(service: Service, base: str) -> None:
    form = {"username": "bob", "password": PASSWORD}
    login = httpx.post(f"{base}/token", data=form, timeout=30).raise_for_status()
    good = login.json()["access_token"]
    bad = attacks.bad_authorizations(good, service.key.encode(), "bob")
    assert len(bad) >= 60
    (accepted,) = fire(base, [with_token("good", b"Bearer " + good.encode())])
    assert [status for status, _ in accepted.responses] == [200]
    before = reached(service)
    for answer in fire(base, [with_token(name, value) for name, value in bad.items()]):
        ((status, body),) = answer.responses
        assert status == 401, answer.attack.name
        assert json.loads(body)["error"]["code"] == "invalid_token", answer.attack.name
    assert reached(service) == before
    print(f"{len(bad)} malformed tokens at {base}: all 401")


def with_token(name: str, authorization: bytes) -> attacks.Attack:
    """Written by hand, because client libraries refuse to send some of the values."""
    body = json.dumps(CHAT).encode()
    head = (
        f"POST {TARGET} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nAuthorization: "
    )
    return attacks.Attack(name, head.encode() + authorization + b"\r\n\r\n" + body)


@pytest.mark.parametrize("role", ["", "guest"])
def test_no_mutated_request_gets_through(service: Service, base: str, role: str) -> None:
    """Requests without a token for every route, then a guest's for the routes closed to guests."""
    aimed = attacks.mutated_requests(2400, service.token(role) if role else "")
    if role:
        aimed = [a for a in aimed if not any(target in a.name for target in OPEN_TO_GUEST)]
    assert len(aimed) >= (1000 if role else 2000)
    before = reached(service)
    answers = fire(base, aimed)
    statuses = Counter(status for answer in answers for status, _ in answer.responses)
    silent = sum(1 for answer in answers if not answer.responses)
    who = role or "nobody"
    print(f"{len(aimed)} requests of {who} at {base}: {sorted(statuses.items())}, {silent} silent")
    assert [answer.attack.name for answer in answers if answer.bypass()] == []
    wrong = {status for status in statuses if status >= 500} - PROXY_REFUSALS
    assert [
        (answer.attack.name, status, body)
        for answer in answers
        for status, body in answer.responses
        if status in wrong
    ] == []
    assert silent < 0.1 * len(answers)
    assert reached(service) == before


@pytest.mark.parametrize("grammars", [False, True])
def test_no_body_gets_past_the_guard(service: Service, base: str, grammars: bool) -> None:
    """Fields, costs and grammars; with `grammars`, of a role that may send EBNF and tags."""
    role: dict[str, object] = {
        "groups": sorted(GROUPS - {OPERATE, METRICS}),
        "models": [MODEL],
        "max_tokens": body_attacks.CAP,
        "grammars": grammars,
    }
    with extra_role(service, "attacker", **role) as headers:
        paths = httpx.get(f"{base}/openapi.json", headers=headers, timeout=30).json()["paths"]
        context = int(ENGINE["MAX_MODEL_LEN"])
        all_of_them = body_attacks.grammars_of_some_roles() if grammars else attacks.bodies(context)
        given = [body for body in all_of_them if body.path in paths]
        token = headers["Authorization"].removeprefix("Bearer ")
        refused = [attacks.with_body(body, token) for body in given if body.refused]
        before = reached(service)
        answers = fire(base, refused, at_once=6, silence_s=60)
        assert reached(service) == before
        statuses = Counter(status for answer in answers for status, _ in answer.responses)
        print(f"{len(refused)} bodies to refuse at {base}: {sorted(statuses.items())}")
        assert set(statuses) <= {400, 403}
        assert statuses.total() == len(refused) > 10
        # Of those that may pass, some: the engine answers them.
        others = [attacks.with_body(body, token) for body in given if not body.refused]
        passed = fire(base, others[::5], at_once=6, silence_s=60)
        odd = [
            (answer.attack.name, status, body)
            for answer in passed
            for status, body in answer.responses or ((0, b"silent"),)
            if status not in (200, 400, 403, 404)
        ]
        print(f"{len(passed)} bodies that may pass at {base}: {len(odd)} odd")
        assert odd == []


@pytest.mark.parametrize("path", ["/v1/realtime", TARGET, "/health", "/token"])
@pytest.mark.parametrize("role", ["", "user", "admin"])
def test_websockets_are_refused(service: Service, base: str, path: str, role: str) -> None:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *([f"Authorization: Bearer {service.token(role)}"] if role else []),
    ]
    request = attacks.Attack(path, "\r\n".join(lines).encode() + b"\r\n\r\n")
    (answer,) = fire(base, [request])
    assert answer.responses, "the connection was closed without an answer"
    for status, _ in answer.responses:
        assert 400 <= status < 500, answer.responses
