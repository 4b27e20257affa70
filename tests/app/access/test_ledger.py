"""Counts shared by replicas through a ledger that may be slow or missing."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from app.access.ledger import Ledger, Synchronize, Synchronizer
from app.access.limits import Changes, Limits
from app.access.places import MAX_USERS
from app.access.roles import Role
from app.auth.allowances import MAX_KEYS
from app.auth.lockout import FAILURES, Lockout
from app.errors import RefusedError
from tests.app.conftest import Clock, Service, chat, run

PATH = "/v1/chat/completions"


BOB = "user:bob"


def role(**limits: Any) -> Role:
    return Role("user", **limits)


class Replica:
    """Limits and lockout of one replica, with a ledger that a test can take away."""

    def __init__(self, name: str, clock: Clock, ledger: Ledger) -> None:
        self.limits = Limits(clock, 100)
        self.lockout = Lockout(clock)
        self.ledger: Ledger | None = ledger
        self.connects = 0
        self.synchronizer = Synchronizer(name, self.limits, self.lockout, self._connect)

    async def _connect(self) -> Synchronize:
        self.connects += 1

        async def synchronize(name: str, changes: Changes) -> Changes:
            if self.ledger is None:
                raise ConnectionError("the actor died")
            return self.ledger.synchronize(name, changes)

        return synchronize


def pair() -> tuple[Clock, Replica, Replica]:
    clock = Clock()
    ledger = Ledger(clock)
    return clock, Replica("a", clock, ledger), Replica("b", clock, ledger)


async def meet(*replicas: Replica) -> None:
    for _ in range(2):
        for replica in replicas:
            await replica.synchronizer.once()


def test_replicas_share_requests_tokens_and_running() -> None:
    _, one, two = pair()
    bob = role(requests_per_minute=4, tokens_per_minute=100, concurrent=2)

    async def story() -> None:
        await meet(one, two)
        for tokens in (30, 30, 30):
            one.limits.release(BOB, one.limits.admit(BOB, bob), tokens)
        await meet(one, two)
        kept = two.limits.admit(BOB, bob)
        with pytest.raises(RefusedError, match="requests per minute"):
            two.limits.admit(BOB, bob)
        await meet(one, two)
        with pytest.raises(RefusedError, match="requests per minute"):
            one.limits.admit(BOB, bob)
        two.limits.release(BOB, kept, 30)
        await meet(one, two)
        with pytest.raises(RefusedError, match="tokens per minute"):
            one.limits.admit(BOB, bob)

    run(story())


def test_replicas_share_concurrent_requests() -> None:
    clock, one, two = pair()
    bob = role(concurrent=2)

    async def story() -> None:
        for _ in range(2):
            one.limits.admit(BOB, bob)
        await meet(one, two)
        with pytest.raises(RefusedError, match="2 requests running"):
            two.limits.admit(BOB, bob)
        # A replica that stopped reporting counts as running nothing.
        clock.now += 60
        await two.synchronizer.once()
        two.limits.admit(BOB, bob)

    run(story())


def guess(replica: Replica, right: bool, username: str = "bob", address: str = "192.0.2.1") -> None:
    attempt = replica.lockout.attempt(username, address, b"the key")
    replica.lockout.begin(attempt)
    replica.lockout.end(attempt, right)


def test_replicas_share_failed_logins() -> None:
    _, one, two = pair()

    async def story() -> None:
        await meet(one, two)
        for _ in range(FAILURES):
            guess(one, right=False)
        await meet(one, two)
        with pytest.raises(RefusedError, match="failed logins at this address"):
            guess(two, right=False)

    run(story())


def exhausted(replica: Replica) -> bool:
    """Whether strangers have used up what bob's new places may fail."""
    for number in range(100):
        try:
            guess(replica, right=False, address=f"198.51.{number}.1")
        except RefusedError as error:
            return error.limit == "login_failures_per_user"
    return False


def test_replicas_share_the_places_of_logins() -> None:
    _, one, two = pair()

    async def story() -> None:
        await meet(one, two)
        guess(one, right=True)
        await meet(one, two)
        assert exhausted(two)
        guess(two, right=True)

    run(story())


def test_a_new_replica_and_a_new_ledger_learn_the_places_of_earlier_logins() -> None:
    clock, one, two = pair()

    async def story() -> None:
        await meet(one)
        guess(one, right=True)
        await meet(one)
        assert two.ledger
        await meet(two)
        assert exhausted(two)
        guess(two, right=True)
        two.ledger = Ledger(clock)  # the actor died
        two.synchronizer._synchronize = None
        await meet(two)
        three = Replica("c", clock, two.ledger)
        await meet(three)
        assert exhausted(three)
        guess(three, right=True)

    run(story())


def test_shared_keys_reveal_neither_names_nor_addresses() -> None:
    _, one, _ = pair()
    guess(one, right=True)
    guess(one, right=False, username="gina")
    shown = repr(one.lockout._changes)
    assert len(one.lockout._changes.failed) == 3
    for word in ("bob", "gina", "192", "2.0"):
        assert word not in shown.replace("failed", "")
    # Nobody can guess the names without the signing key.
    other = one.lockout.attempt("gina", "192.0.2.1", b"another key")
    reported = " ".join(one.lockout._changes.failed)
    assert not any(key in reported for _, key in other.keys)


def test_without_the_ledger_each_replica_counts_alone(caplog: pytest.LogCaptureFixture) -> None:
    _, one, two = pair()
    bob = role(concurrent=1, requests_per_minute=10)

    async def story() -> None:
        one.limits.admit(BOB, bob)
        await meet(one, two)
        with pytest.raises(RefusedError):
            two.limits.admit(BOB, bob)
        ledger, one.ledger, two.ledger = one.ledger, None, None
        for _ in range(3):
            await meet(one, two)
        two.limits.admit(BOB, bob)
        one.ledger = two.ledger = ledger
        await meet(one, two)
        assert one.connects > 1

    with caplog.at_level(logging.WARNING):
        run(story())
    assert caplog.text.count("counts alone") == 2  # once per replica


def test_a_ledger_that_hangs_delays_no_request(make: Callable[..., Service]) -> None:
    async def never() -> Synchronize:
        await asyncio.sleep(3600)
        raise AssertionError

    service = make()
    synchronizer = Synchronizer("x", service.limits, Lockout(service.clock), never)

    async def story() -> None:
        synchronizer.start()
        async with service.client() as client:
            answer = await client.post(PATH, json=chat(), headers=service.bearer("bob"))
        assert answer.status_code == 200
        synchronizer.stop()

    run(story())


def test_a_ledger_forgets_replicas_that_left() -> None:
    clock = Clock()
    ledger = Ledger(clock)
    for number in range(50):
        ledger.synchronize(f"replica {number}", Changes(spent={"user:bob": (1, 1)}))
        clock.now += 5
    assert len(ledger._outbox) <= 4


def test_a_replica_that_reports_to_nobody_keeps_a_bounded_report() -> None:
    lockout = Lockout(Clock(), 2**31 - 1, 2**31 - 1, 2**31 - 1)
    for number in range(25_000):
        attempt = lockout.attempt(f"user{number}", "192.0.2.1", b"the key")
        lockout.end(attempt, number % 2 == 0)
    assert len(lockout._changes.failed) + len(lockout._changes.places) < 30_000
    assert sum(len(counts) for counts in lockout._counts.values()) < 3 * MAX_KEYS
    assert len(lockout._places.as_lists()) <= MAX_USERS
