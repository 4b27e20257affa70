"""Limits by role: names, Retry-After, real usage, and counts shared over replicas."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.auth.identity import Identity
from app.auth.lockout import FAILURES, Lockout
from app.errors import RefusedError
from app.limits import Limits, News
from app.roles import Role
from app.shared import Exchange, Ledger, Sharing
from tests.app.conftest import Clock, Service, chat, run, values
from tests.app.stub import COMPLETION_TOKENS, PROMPT_TOKENS

PATH = "/v1/chat/completions"


def roles(**user: Any) -> dict[str, str]:
    return values(ROLES=json.dumps({"user": user}))


def post(service: Service, user: str = "bob", **fields: Any) -> httpx.Response:
    async def one() -> httpx.Response:
        async with service.client() as client:
            return await client.post(PATH, json=chat(**fields), headers=service.bearer(user))

    answer: httpx.Response = run(one())
    return answer


def refused(answer: httpx.Response, limit: str) -> int:
    assert answer.status_code == 429
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert answer.headers["x-ratelimit-limit-name"] == limit
    assert limit in answer.json()["error"]["message"]
    return int(answer.headers["retry-after"])


def test_requests_a_minute(make: Callable[..., Service]) -> None:
    service = make(roles(requests_per_minute=3))
    assert [post(service).status_code for _ in range(3)] == [200] * 3
    wait = refused(post(service), "requests_per_minute")
    assert post(service, "gina").status_code == 200
    service.clock.now += wait
    assert post(service).status_code == 200
    service.clock.now += 600
    assert [post(service).status_code for _ in range(4)] == [200] * 3 + [429]


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_a_minute_are_the_engines_own_count(
    make: Callable[..., Service], stream: bool
) -> None:
    each = PROMPT_TOKENS + COMPLETION_TOKENS
    service = make(roles(tokens_per_minute=2 * each - 1, requests_per_minute=None))
    assert [post(service, stream=stream).status_code for _ in range(2)] == [200] * 2
    wait = refused(post(service, stream=stream), "tokens_per_minute")
    service.clock.now += wait
    assert post(service, stream=stream).status_code == 200


def test_requests_at_once(make: Callable[..., Service]) -> None:
    service = make(roles(concurrent=2))
    service.backend.pause_s = 0.05

    async def three() -> list[httpx.Response]:
        async with service.client() as client:
            calls = [
                client.post(PATH, json=chat(stream=True), headers=service.bearer("bob"))
                for _ in range(3)
            ]
            return await asyncio.gather(*calls)

    answers = run(three())
    assert sorted(a.status_code for a in answers) == [200, 200, 429]
    refused(next(a for a in answers if a.status_code == 429), "concurrent")
    assert service.guard.running == 0
    assert post(service).status_code == 200


def test_a_full_replica_refuses_fast(make: Callable[..., Service]) -> None:
    service = make(max_running=4)
    service.backend.pause_s = 0.05

    async def flood() -> list[httpx.Response]:
        async with service.client() as client:
            headers = service.bearer("alice")
            calls = [client.post(PATH, json=chat(stream=True), headers=headers) for _ in range(60)]
            return await asyncio.gather(*calls)

    answers = run(flood())
    assert {a.status_code for a in answers} == {200, 429}
    late = [a for a in answers if a.status_code == 429]
    refused(late[0], "replica_concurrency")
    assert len(service.backend.calls) == len(answers) - len(late)
    assert service.guard.running == 0


def test_failures_give_everything_back(service: Service) -> None:
    service.backend.crash = RuntimeError("engine trouble")
    assert post(service).status_code == 500
    assert post(service, n=999).status_code == 400
    assert service.guard.running == 0


@pytest.mark.parametrize(
    ("path", "fields", "status", "sent"),
    [
        (PATH, {"max_tokens": 101}, 400, None),
        (PATH, {"max_completion_tokens": 101}, 400, None),
        ("/v1/responses", {"max_output_tokens": 101}, 400, None),
        (PATH, {"max_tokens": "101"}, 400, None),
        (PATH, {"max_tokens": 100}, 200, {}),
        (PATH, {}, 200, {"max_completion_tokens": 100}),
        (PATH, {"max_tokens": None}, 200, {"max_completion_tokens": 100}),
        ("/v1/completions", {}, 200, {}),
        ("/v1/completions", {"max_tokens": None}, 200, {"max_tokens": 100}),
        ("/v1/responses", {}, 200, {"max_output_tokens": 100}),
        ("/v1/embeddings", {}, 200, {}),
    ],
)
def test_the_cap_of_completion_tokens(
    make: Callable[..., Service], path: str, fields: dict[str, Any], status: int, sent: Any
) -> None:
    service = make(roles(max_tokens=100))

    async def one() -> httpx.Response:
        async with service.client() as client:
            return await client.post(path, json=fields, headers=service.bearer("bob"))

    assert run(one()).status_code == status
    if status == 200:
        assert json.loads(service.backend.calls[0][2]) == {**fields, **sent}
    else:
        assert service.backend.calls == []


def test_no_cap_is_written_in_where_the_model_is_smaller(make: Callable[..., Service]) -> None:
    service = make(roles(max_tokens=100))
    service.backend.model_length = 64
    assert post(service).status_code == 200
    assert json.loads(service.backend.calls[0][2]) == chat()


def test_allowed_models(make: Callable[..., Service]) -> None:
    service = make(roles(models=["tiny"]), model_name="tiny")
    assert post(service).status_code == 200
    assert post(service, model=None).status_code == 200
    answer = post(service, model="other")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_allowed")
    assert post(service, model=["tiny"]).status_code == 403


def test_priority_is_the_roles(make: Callable[..., Service]) -> None:
    service = make(values(), priority=True)
    assert post(service, "gina", max_tokens=5).status_code == 200
    assert json.loads(service.backend.calls[0][2])["priority"] == 100
    assert post(service, "gina", priority=-5).status_code == 400


def identity(**role: Any) -> Identity:
    return Identity("user:bob", Role("user", **role))


class Replica:
    """Limits and lockout of one replica, talking to a ledger that can be taken away."""

    def __init__(self, name: str, clock: Clock, ledger: Ledger) -> None:
        self.limits = Limits(clock, 100)
        self.lockout = Lockout(clock)
        self.ledger: Ledger | None = ledger
        self.connects = 0
        self.sharing = Sharing(name, self.limits, self.lockout, self._connect)

    async def _connect(self) -> Exchange:
        self.connects += 1

        async def exchange(name: str, news: News) -> News:
            if self.ledger is None:
                raise ConnectionError("the actor died")
            return self.ledger.exchange(name, news)

        return exchange


def pair() -> tuple[Clock, Replica, Replica]:
    clock = Clock()
    ledger = Ledger(clock)
    return clock, Replica("a", clock, ledger), Replica("b", clock, ledger)


async def meet(*replicas: Replica) -> None:
    for _ in range(2):
        for replica in replicas:
            await replica.sharing.once()


def test_replicas_share_requests_tokens_and_running() -> None:
    _, one, two = pair()
    who = identity(requests_per_minute=4, tokens_per_minute=100, concurrent=2)

    async def story() -> None:
        await meet(one, two)
        for tokens in (30, 30, 30):
            one.limits.release(who, one.limits.admit(who), tokens)
        await meet(one, two)
        kept = two.limits.admit(who)
        with pytest.raises(RefusedError, match="requests per minute"):
            two.limits.admit(who)
        await meet(one, two)
        with pytest.raises(RefusedError, match="requests per minute"):
            one.limits.admit(who)
        two.limits.release(who, kept, 30)
        await meet(one, two)
        with pytest.raises(RefusedError, match="tokens per minute"):
            one.limits.admit(who)

    run(story())


def test_replicas_share_what_runs_at_once() -> None:
    clock, one, two = pair()
    who = identity(concurrent=2)

    async def story() -> None:
        for _ in range(2):
            one.limits.admit(who)
        await meet(one, two)
        with pytest.raises(RefusedError, match="2 requests running"):
            two.limits.admit(who)
        # A replica that fell silent runs nothing any more.
        clock.now += 60
        await two.sharing.once()
        two.limits.admit(who)

    run(story())


def test_replicas_share_failed_logins() -> None:
    _, one, two = pair()

    async def story() -> None:
        await meet(one, two)
        for _ in range(FAILURES):
            one.lockout.begin("pair")
            one.lockout.end("pair", False)
        await meet(one, two)
        with pytest.raises(RefusedError, match="locked"):
            two.lockout.begin("pair")

    run(story())


def test_without_the_ledger_each_replica_counts_alone(caplog: pytest.LogCaptureFixture) -> None:
    _, one, two = pair()
    who = identity(concurrent=1, requests_per_minute=10)

    async def story() -> None:
        one.limits.admit(who)
        await meet(one, two)
        with pytest.raises(RefusedError):
            two.limits.admit(who)
        ledger, one.ledger, two.ledger = one.ledger, None, None
        for _ in range(3):
            await meet(one, two)
        two.limits.admit(who)
        one.ledger = two.ledger = ledger
        await meet(one, two)
        assert one.connects > 1

    with caplog.at_level(logging.WARNING):
        run(story())
    assert caplog.text.count("counted by this replica alone") == 2  # once a replica


def test_a_ledger_that_hangs_delays_nobody(make: Callable[..., Service]) -> None:
    async def never() -> Exchange:
        await asyncio.sleep(3600)
        raise AssertionError

    service = make()
    sharing = Sharing("x", service.limits, Lockout(service.clock), never)

    async def story() -> None:
        sharing.start()
        async with service.client() as client:
            answer = await client.post(PATH, json=chat(), headers=service.bearer("bob"))
        assert answer.status_code == 200
        sharing.stop()

    run(story())


def test_a_ledger_forgets_replicas_that_left() -> None:
    clock = Clock()
    ledger = Ledger(clock)
    for number in range(50):
        ledger.exchange(f"replica {number}", News(spent={"user:bob": (1, 1)}))
        clock.now += 5
    assert len(ledger._outbox) <= 4
