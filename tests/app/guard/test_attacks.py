"""Malformed tokens and mutated requests over real sockets: none passes the guard."""

import json
from collections import Counter
from collections.abc import Callable

import pytest

from tests.app.conftest import KEY, Service, chat, run, values
from tests.app.guard import attacks, reader
from tests.app.guard.reached import WAYS, reached
from tests.app.guard.test_body_mutations import CAP, GUEST, bypasses
from tests.app.serving import served

CONTEXT = 4096


def test_malformed_tokens_are_401_and_nothing_else(service: Service) -> None:
    good = service.token("bob")
    bad = attacks.bad_authorizations(good, KEY.encode(), "bob")
    assert len(bad) >= 60

    async def calls() -> None:
        async with service.client() as client:
            path = "/v1/chat/completions"
            for name, value in bad.items():
                answer = await client.post(path, headers=[(b"authorization", value)], json=chat())
                assert answer.status_code == 401, name
                assert answer.json()["error"]["code"] == "invalid_token", name
                assert answer.headers["www-authenticate"] == "Bearer"
            assert service.backend.calls == []
            headers = {"Authorization": f"bearer {good}"}
            assert (await client.post(path, headers=headers, json=chat())).status_code == 200

    run(calls())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("prefix", ["", "/m"])
@pytest.mark.parametrize("user", ["", "gina"])
def test_no_mutated_request_gets_through(
    service: Service, way: str, prefix: str, user: str
) -> None:
    """Requests without a token for every route, then a guest's for the routes closed to guests."""
    bearer = service.token(user) if user else ""
    aimed = attacks.mutated_requests(2400, bearer, prefix)
    if user:
        aimed = [a for a in aimed if not any(t in a.name for t in _OPEN_TO_GUEST)]

    async def calls() -> list[attacks.Answer]:
        async with reached(service, way, prefix=prefix or "/") as port:
            return await attacks.fire("127.0.0.1", port, aimed)

    answers = run(calls())
    assert [a.attack.name for a in answers if a.bypass()] == []
    assert service.backend.calls == []
    statuses = {status for answer in answers for status, _ in answer.responses}
    assert statuses & {500, 502, 503} == set()
    assert sum(1 for a in answers if a.responses) > 0.9 * len(answers)
    assert len(answers) >= (1000 if user else 2000)


_OPEN_TO_GUEST = ("/v1/chat/completions", "/v1/embeddings", "/v1/models", "/v1/responses")


@pytest.fixture
def capped(make: Callable[..., Service]) -> Service:
    """A service where gina may not have what the bodies ask for; nothing limits their number."""
    role = {
        "groups": sorted(GUEST.groups),
        "models": ["tiny"],
        "max_tokens": CAP,
        **dict.fromkeys(("requests_per_minute", "tokens_per_minute", "concurrent")),
    }
    service = make(
        values(ROLES=json.dumps({"guest": role})), media_domains=frozenset({"images.example"})
    )
    service.backend.model_length = CONTEXT
    return service


@pytest.mark.parametrize("way", WAYS)
def test_no_body_gets_past_the_guard(capped: Service, way: str) -> None:
    """Refused, or the engine reads nothing in it that the role may not have."""
    given = attacks.bodies(CONTEXT)
    token = capped.token("gina")

    async def calls() -> list[attacks.Answer]:
        # A busy machine may take long to send a large body.
        limits = {"timeout http-request 15s": "timeout http-request 120s"}
        async with reached(capped, way, limits, places=64, queue=64) as port:
            aimed = [attacks.with_body(body, token) for body in given]
            return await attacks.fire("127.0.0.1", port, aimed, silence_s=120)

    answers = run(calls(), 560)
    statuses = Counter(answer.responses[0][0] if answer.responses else 0 for answer in answers)
    print(f"{len(given)} bodies at the {way}: {dict(statuses)}")
    assert {*statuses} == {200, 400, 403}
    passed = [
        answer.attack.name
        for body, answer in zip(given, answers, strict=True)
        if body.refused and answer.bypass()
    ]
    assert passed == []
    for _, path, read in capped.backend.calls:
        document = json.loads(read)
        document.pop("request_id", None)  # the guard's own
        try:
            found = reader.read(path, document)
        except reader.RejectedError:
            continue
        assert bypasses(found, is_form=False) == [], (path, read[:500])
    assert len(capped.backend.calls) == statuses[200] > 500


def test_the_engine_would_act_on_the_bodies_that_are_refused() -> None:
    """Without the guard: otherwise the test above could not fail."""
    broken: Counter[str] = Counter()
    for body in attacks.bodies(CONTEXT):
        try:
            found = reader.read(body.path, json.loads(body.content))
        except (ValueError, reader.RejectedError):
            continue
        broken.update({rule.partition(":")[0] for rule in bypasses(found, is_form=False)})
    for rule in ("model", "cap", "privileged", "medium", *reader.COUNTS):
        assert broken[rule] > 3, broken


def test_a_bypass_is_detected() -> None:
    """A server that answers 200 to everyone must be reported, or the tests above prove nothing."""

    async def careless(scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"secret"})  # type: ignore[operator]

    async def calls() -> list[attacks.Answer]:
        async with served(careless) as port:
            return await attacks.fire("127.0.0.1", port, attacks.mutated_requests(100)[:100])

    assert sum(answer.bypass() for answer in run(calls())) >= 80
