"""Malformed tokens and mutated requests over real sockets: none passes the guard."""

import pytest

from tests.app.conftest import KEY, Service, chat, run
from tests.app.guard import attacks
from tests.app.guard.reached import WAYS, reached
from tests.app.serving import served


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


def test_a_bypass_is_detected() -> None:
    """A server that answers 200 to everyone must be reported, or the tests above prove nothing."""

    async def careless(scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"secret"})  # type: ignore[operator]

    async def calls() -> list[attacks.Answer]:
        async with served(careless) as port:
            return await attacks.fire("127.0.0.1", port, attacks.mutated_requests(100)[:100])

    assert sum(answer.bypass() for answer in run(calls())) >= 80
