"""Guessers and floods at POST /token: what they reach, and whom they delay."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator

import argon2
import httpx
import pytest

from app.auth import passwords
from app.auth.lockout import EVERY_S, FAILURES, PER_NETWORK, PER_PLACE, PER_USER
from tests.app.conftest import PASSWORDS, Service, run, values
from tests.guarantees.fixtures import Measured

WITHIN_S = 5.0
MOST_BEFORE = 8
NO_BOUND = 2**31 - 1


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> str:
    """bob's password with a hash that takes no time, for tests of counts."""
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    monkeypatch.setattr(passwords, "_DUMMY", hasher.hash("nobody's password"))
    return hasher.hash(PASSWORDS["bob"])


@pytest.fixture
def guessed(make: Callable[..., Service], cheap: str) -> Service:
    return make(values(BOB_HASHED_PASSWORD=cheap))


def guess(service: Service, names: Iterator[str], addresses: Iterator[str]) -> Counter[str]:
    """Log in with wrong passwords; how often each limit answered, "" being a 401."""

    async def all_of_them() -> Counter[str]:
        found: Counter[str] = Counter()
        for name, address in zip(names, addresses, strict=False):
            answer = await service.login(name, "wrong", address)
            assert answer.status_code in (401, 429)
            found[answer.headers.get("x-ratelimit-limit-name", "")] += 1
        return found

    counted: Counter[str] = run(all_of_them())
    return counted


def always(value: str) -> Iterator[str]:
    return itertools.repeat(value)


def numbered(form: str, count: int) -> Iterator[str]:
    return (form.format(number) for number in range(count))


def strangers(count: int) -> Iterator[str]:
    """Addresses of as many networks."""
    return (f"2001:db8:{number:x}::1" for number in range(count))


@pytest.mark.parametrize(
    "form", ["192.0.2.1", "2001:db8::{:x}", "::ffff:192.0.2.1", "2002:c000:201:{:x}::1"]
)
def test_one_sender_has_one_bound_whatever_addresses_it_takes(guessed: Service, form: str) -> None:
    found = guess(guessed, numbered("user{}", 300), numbered(form, 300))
    assert found == {"": PER_PLACE // 2, "login_failures_per_address": 300 - PER_PLACE // 2}


def test_a_48_of_ipv6_has_one_bound(guessed: Service) -> None:
    found = guess(guessed, numbered("user{}", 500), numbered("2001:db8:0:{:x}::1", 500))
    assert found == {"": PER_NETWORK // 2, "login_failures_per_network": 500 - PER_NETWORK // 2}


def test_strangers_reach_one_users_hash_sixty_times_an_hour(guessed: Service) -> None:
    reached = []
    for number in range(2 * 3600 // 10):
        guessed.clock.now += 10
        answer = run(guessed.login("bob", "wrong", f"2001:db8:{number:x}::1"))
        if answer.status_code == 401:
            reached.append(guessed.clock.now)
        else:
            assert answer.headers["x-ratelimit-limit-name"] == "login_failures_per_user"
    assert len(reached) > PER_USER
    for begin in reached:
        assert sum(begin <= at < begin + 3600 for at in reached) <= PER_USER


def test_strangers_delay_a_user_at_new_places_only(guessed: Service) -> None:
    async def right(address: str) -> httpx.Response:
        return await guessed.login("bob", PASSWORDS["bob"], address)

    usual = ("203.0.113.5", "2001:db8:ffff:1::5")
    for address in usual:
        assert run(right(address)).status_code == 200
    guess(guessed, always("bob"), strangers(100))
    for address in (*usual, "::ffff:203.0.113.5", "2001:db8:ffff:1:abcd::1"):
        assert run(right(address)).status_code == 200
    new = run(right("203.0.113.77"))
    assert new.status_code == 429
    assert new.headers["x-ratelimit-limit-name"] == "login_failures_per_user"
    assert "new addresses" in new.json()["error"]["message"]
    guessed.clock.now += int(new.headers["retry-after"])
    assert run(right("203.0.113.77")).status_code == 200


def test_a_known_place_has_its_own_bound(guessed: Service) -> None:
    assert run(guessed.login("bob", PASSWORDS["bob"])).status_code == 200
    found = guess(guessed, numbered("bob", 50), always("192.0.2.1"))
    assert found == {"": FAILURES, "login_failures": 50 - FAILURES}
    locked = run(guessed.login("bob", PASSWORDS["bob"]))
    assert 0 < int(locked.headers["retry-after"]) <= EVERY_S
    guessed.clock.now += int(locked.headers["retry-after"])
    assert run(guessed.login("bob", PASSWORDS["bob"])).status_code == 200


def test_a_colleague_with_a_wrong_password_locks_nobody_else_out(guessed: Service) -> None:
    """A program with an old password, and then a flood of names, in one office."""
    office = "198.51.100.1"
    assert run(guessed.login("bob", PASSWORDS["bob"], office)).status_code == 200
    found = guess(guessed, numbered("gina", 200), always(office))
    assert found == {"": FAILURES, "login_failures": 200 - FAILURES}
    assert run(guessed.login("alice", "wrong", office)).status_code == 401  # not 429
    guess(guessed, numbered("user{}", 300), always(office))
    assert run(guessed.login("bob", PASSWORDS["bob"], office)).status_code == 200
    # Who has never logged in there waits for a minute.
    waiting = run(guessed.login("alice", PASSWORDS["alice"], office))
    assert (waiting.status_code, 0 < int(waiting.headers["retry-after"]) <= 60) == (429, True)


@pytest.mark.parametrize("place", ["one", "many"])
def test_limits_answer_alike_for_users_and_for_invented_names(guessed: Service, place: str) -> None:
    def shown(answer: httpx.Response) -> tuple[object, ...]:
        headers = {k: v for k, v in answer.headers.items() if k != "x-request-id"}
        return answer.status_code, headers, answer.content

    for number in range(100):
        # Each pair at one time and in networks of their own.
        first = f"2001:db8:{number:x}::1" if place == "many" else "2001:db8:1::1"
        second = f"2001:db8:{number:x}::1" if place == "many" else "2001:db8:2::1"
        bob = run(guessed.login("bob", "wrong", first))
        nobody = run(guessed.login("nobody", "wrong", second))
        assert shown(bob) == shown(nobody)
    assert bob.status_code == 429


def test_right_logins_are_not_counted(guessed: Service) -> None:
    """A job that logs in from a new address each time, more often than guesses are allowed."""
    for number in range(3 * PER_USER):
        assert run(guessed.login("bob", PASSWORDS["bob"], f"10.0.{number}.1")).status_code == 200


@pytest.mark.parametrize("username", ["bob", "\uff42\uff4f\uff42", "b\u1d52b"])
def test_forms_of_one_name_are_one_user(guessed: Service, username: str) -> None:
    assert run(guessed.login(username, PASSWORDS["bob"])).status_code == 200
    names = itertools.cycle(["bob", "\uff42\uff4f\uff42", "b\u1d52b"])
    found = guess(guessed, itertools.islice(names, 30), always("192.0.2.9"))
    assert found[""] == FAILURES


FLOODS = {
    "one address": "192.0.2.1",
    "many /64 of one /48": "2001:db8:0:{:x}::1",
    "the user's own network": "203.0.113.1",
}


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The CPU seconds of every verification of a password, in the order of their ends."""
    taken: list[float] = []
    verify = passwords.verify

    def timed(stored: str | None, password: str) -> bool:
        began = time.thread_time()
        try:
            return verify(stored, password)
        finally:
            taken.append(time.thread_time() - began)

    monkeypatch.setattr(passwords, "verify", timed)
    return taken


@pytest.mark.parametrize("kind", FLOODS)
@pytest.mark.parametrize("bounded", [True, False], ids=["allowances", "queue alone"])
def test_right_logins_succeed_during_a_flood(
    make: Callable[..., Service],
    verified: list[float],
    kind: str,
    bounded: bool,
    measured: Measured,
) -> None:
    """20 of 20 within 5 s, with real hashes; also if nothing but the queue stops the flood.

    The seconds are those of a machine with nothing else to do: the verifications that a login waits
    for, its own included, by the CPU time of each.
    """
    names = ("login_failures_per_user", "login_failures_per_address", "login_failures_per_network")
    service = make(**({} if bounded else dict.fromkeys(names, NO_BOUND)))
    numbers = itertools.count()

    async def flood() -> None:
        while True:
            number = next(numbers)
            await service.login(f"user{number}", "wrong", FLOODS[kind].format(number % 200 + 1))
            await asyncio.sleep(0.1)

    async def story() -> list[list[float]]:
        floods = [asyncio.get_running_loop().create_task(flood()) for _ in range(48)]
        await asyncio.sleep(0.3)
        waited_for = []
        for number in range(20):
            before = len(verified)
            name = list(PASSWORDS)[number % 3]
            answer = await service.login(name, PASSWORDS[name], f"203.0.113.{220 + number}")
            assert answer.status_code == 200, answer.text
            waited_for.append(verified[before:])
        for task in floods:
            task.cancel()
        await asyncio.gather(*floods, return_exceptions=True)
        return waited_for

    waited_for = run(story(), 300)
    longest, most = max(map(sum, waited_for)), max(map(len, waited_for))
    print(f"{kind}: {longest:.2f} s at most, {most} verifications, {next(numbers)} guesses")
    if kind == "one address" and not bounded:
        measured("login-flood.longest", longest, "s", at_most=WITHIN_S)
    assert longest < WITHIN_S
    # Those that run, one of each class, network and place that come first, and its own.
    assert most <= MOST_BEFORE


def test_twenty_right_logins_at_once_succeed_during_a_flood(service: Service) -> None:
    """Of one user at one address, as a program with many workers does after its start."""

    async def story() -> list[int]:
        flood = asyncio.gather(
            *(service.login(f"user{n}", "wrong", "192.0.2.1") for n in range(100))
        )
        await asyncio.sleep(0.1)
        right = (service.login("bob", PASSWORDS["bob"], "203.0.113.1") for _ in range(20))
        answers = await asyncio.gather(*right)
        await flood
        return [answer.status_code for answer in answers]

    assert run(story()) == [200] * 20


def test_a_guess_counts_although_its_sender_has_gone(guessed: Service) -> None:
    async def story() -> None:
        for _ in range(FAILURES):
            task = asyncio.get_running_loop().create_task(guessed.login("bob", "wrong"))
            await asyncio.sleep(0.005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(0.05)

    run(story())
    assert run(guessed.login("bob", PASSWORDS["bob"])).status_code == 429
