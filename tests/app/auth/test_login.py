"""POST /token: forms, the information that answers reveal, and locking."""

import asyncio
import ipaddress
import statistics
import time
from collections.abc import Callable

import argon2
import httpx
import pytest

from app.auth import login, passwords
from app.auth.lockout import EVERY_S, FAILURES
from tests.app.conftest import HASHES, PASSWORDS, Service, chat, run, salted_sha256, values


def test_multipart_and_url_encoded_logins_return_a_valid_token(service: Service) -> None:
    form = {"username": "bob", "password": PASSWORDS["bob"]}

    async def calls() -> None:
        async with service.client() as client:
            parts = {name: (None, value) for name, value in form.items()}
            for answer in (
                await client.post("/token", data={**form, "grant_type": "password"}),
                await client.post("/token", files=parts),
            ):
                assert answer.status_code == 200
                assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
                assert answer.json()["token_type"] == "bearer"
                assert answer.json()["expires_in"] == 3600
                assert answer.headers["cache-control"] == "no-store"
                headers = {"Authorization": "Bearer " + answer.json()["access_token"]}
                called = await client.post("/v1/chat/completions", json=chat(), headers=headers)
                assert called.status_code == 200

    run(calls())


def test_bytes_as_curl_sends_them(service: Service) -> None:
    body = (
        '--xyz\r\nContent-Disposition: form-data; name="username"\r\n\r\nbob\r\n'
        f'--xyz\r\nContent-Disposition: form-data; name="password"\r\n\r\n{PASSWORDS["bob"]}\r\n'
        "--xyz--\r\n"
    )

    async def call(content: bytes) -> httpx.Response:
        async with service.client() as client:
            headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
            return await client.post("/token", content=content, headers=headers)

    assert run(call(body.encode())).status_code == 200
    for broken in (body[:-6], body.replace("xyz", "abc"), body.replace("bob", "b\udcffb")):
        answer = run(call(broken.encode("utf-8", "surrogateescape")))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_form")


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b'{"username":"bob","password":"x"}', 415),
        ("", b"username=bob&password=x", 415),
        ("application/x-www-form-urlencoded", b"username=bob", 400),
        ("application/x-www-form-urlencoded", b"password=x", 400),
        ("application/x-www-form-urlencoded", b"", 400),
        ("application/x-www-form-urlencoded", b"username=bob&username=al&password=x", 400),
        ("application/x-www-form-urlencoded", b"username=%ff&password=x", 400),
        ("application/x-www-form-urlencoded", b"username=bob&password=" + b"x" * 2000, 400),
        ("application/x-www-form-urlencoded", b"username=" + b"b" * 300 + b"&password=x", 400),
        ("application/x-www-form-urlencoded", b"username=bob&password=" + b"x" * 9000, 413),
        ("application/x-www-form-urlencoded", b"&".join([b"a=b"] * 100), 400),
        ("multipart/form-data", b"", 400),
        ("multipart/form-data; boundary=" + "x" * 200, b"", 400),
    ],
)
def test_forms_that_are_not_logins_are_refused(
    service: Service, content_type: str, body: bytes, status: int
) -> None:
    async def call() -> httpx.Response:
        async with service.client() as client:
            headers = {"Content-Type": content_type}
            return await client.post("/token", content=body, headers=headers)

    answer = run(call())
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_wrong_password_and_unknown_user_have_the_same_bytes(service: Service) -> None:
    wrong = run(service.login("alice", "wrong"))
    unknown = run(service.login("nobody", "wrong"))

    def shown(answer: httpx.Response) -> tuple[object, ...]:
        headers = {k: v for k, v in answer.headers.items() if k != "x-request-id"}
        return answer.status_code, headers, answer.content

    assert shown(wrong) == shown(unknown)
    assert wrong.status_code == 401
    assert wrong.json()["error"]["code"] == "invalid_credentials"


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> argon2.PasswordHasher:
    """Hashes of 1 MiB, which are twenty times faster, so a difference shows more clearly."""
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    monkeypatch.setattr(passwords, "_DUMMY", hasher.hash("nobody's password"))
    return hasher


@pytest.mark.parametrize("stored", ["argon2id", "salted SHA-256"])
def test_timing_does_not_reveal_whether_a_user_exists(
    make: Callable[..., Service], cheap: argon2.PasswordHasher, stored: str
) -> None:
    """Compares 300 pairs in alternating order: the median of the differences, and which was slower.

    On a busy machine a single run may look unequal; a real difference shows in every run.
    """
    password = "right password"
    digest = cheap.hash(password) if stored == "argon2id" else salted_sha256(password)
    service = make(values(BOB_HASHED_PASSWORD=digest))

    async def timed(username: str, number: int) -> float:
        service.clock.now += 120  # so that no allowance is exhausted
        async with service.client(f"2001:db8:{number:x}::1") as client:
            form = {"username": username, "password": "wrong password"}
            began = time.perf_counter()
            answer = await client.post("/token", data=form)
            took = time.perf_counter() - began
        assert answer.status_code == 401
        return took

    async def equal(attempt: int) -> bool:
        differences, levels = [], []
        for number in range(20):
            await timed("bob", 10_000 * attempt + 1_000 + number)
        for number in range(300):
            order = ["bob", "eve"] if number % 2 else ["eve", "bob"]
            address = 10_000 * attempt + number
            took = {username: await timed(username, address) for username in order}
            differences.append(took["bob"] - took["eve"])
            levels.append(took["eve"])
        median, level = statistics.median(differences), statistics.median(levels)
        slower = sum(1 for d in differences if d > 0) / len(differences)
        print(f"{stored}: median {median * 1e6:+.1f} of {level * 1e6:.0f} us, {slower:.0%} slower")
        # A skipped verification would account for most of the level, in all pairs.
        return abs(median) < 0.1 * level and 0.38 < slower < 0.62

    assert any(run(equal(attempt)) for attempt in range(3))


def test_the_dummy_hash_costs_as_much_as_a_real_one() -> None:
    stand_in = argon2.extract_parameters(passwords._DUMMY)
    made = argon2.extract_parameters(passwords.hash_password("some password"))
    assert stand_in == made
    assert (made.memory_cost, made.time_cost, made.parallelism) == (19456, 2, 1)


def test_five_failures_lock_only_that_user_at_that_address(service: Service) -> None:
    for _ in range(FAILURES):
        assert run(service.login("bob", "wrong")).status_code == 401
    locked = run(service.login("bob", PASSWORDS["bob"]))
    assert locked.status_code == 429
    assert locked.headers["x-ratelimit-limit-name"] == "login_failures"
    assert 0 < int(locked.headers["retry-after"]) <= EVERY_S
    other_address = run(service.login("bob", PASSWORDS["bob"], "192.0.2.9"))
    other_user = run(service.login("gina", PASSWORDS["gina"]))
    assert [other_address.status_code, other_user.status_code] == [200, 200]

    async def call() -> int:
        async with service.client() as client:
            headers = service.bearer("bob")
            answer = await client.post("/v1/chat/completions", json=chat(), headers=headers)
            return answer.status_code

    assert run(call()) == 200
    service.clock.now += EVERY_S * FAILURES
    assert run(service.login("bob", PASSWORDS["bob"])).status_code == 200


def test_an_unknown_user_is_locked_too(service: Service) -> None:
    answers = [run(service.login("nobody", "wrong")) for _ in range(FAILURES + 1)]
    assert [a.status_code for a in answers] == [401] * FAILURES + [429]


def test_concurrent_guesses_are_counted(service: Service) -> None:
    async def many() -> list[int]:
        guesses = (service.login("bob", f"wrong {number}") for number in range(20))
        return [answer.status_code for answer in await asyncio.gather(*guesses)]

    assert sorted(run(many())) == [401] * FAILURES + [429] * (20 - FAILURES)


def test_a_success_forgets_failures(service: Service) -> None:
    for _ in range(3):
        for _ in range(FAILURES - 1):
            assert run(service.login("bob", "wrong")).status_code == 401
        assert run(service.login("bob", PASSWORDS["bob"])).status_code == 200


def test_forwarded_addresses_count_only_from_trusted_proxies(make: Callable[..., Service]) -> None:
    def attempts(service: Service, count: int) -> list[int]:
        async def all_of_them() -> list[int]:
            async with service.client("10.0.0.1") as client:
                form = {"username": "bob", "password": "wrong"}
                statuses = []
                for number in range(count):
                    headers = {"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.{number}"}
                    answer = await client.post("/token", data=form, headers=headers)
                    statuses.append(answer.status_code)
                return statuses

        statuses: list[int] = run(all_of_them())
        return statuses

    assert attempts(make(), 7)[-1] == 429
    trusting = make(trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"),))
    assert attempts(trusting, 7) == [401] * 7  # each at another address


def test_the_queue_of_logins_is_bounded(service: Service) -> None:
    own = login.MAX_WAITING_PER_PLACE + login.WORKERS

    async def many() -> list[int]:
        guesses = [service.login(f"user{n}", "wrong") for n in range(own + 10)]
        return [answer.status_code for answer in await asyncio.gather(*guesses)]

    assert sorted(run(many())) == [401] * own + [429] * 10


def test_a_login_does_not_block_streams(service: Service) -> None:
    """argon2 runs in other threads, so the event loop keeps running during eight logins.

    The test measures the CPU time of the loop's own thread per turn, not the clock, because on a
    busy machine any thread may have to wait for a core.
    """
    began = time.thread_time()
    passwords.verify(HASHES["bob"], "wrong")
    one_verification = time.thread_time() - began

    async def measure() -> tuple[int, float]:
        logins = asyncio.gather(*(service.login(f"user{n}", "wrong") for n in range(8)))
        turns, worst, before = 0, 0.0, time.thread_time()
        while not logins.done():
            await asyncio.sleep(0)
            now = time.thread_time()
            turns, worst, before = turns + 1, max(worst, now - before), now
        await logins
        return turns, worst

    turns, worst = run(measure())
    assert worst < one_verification / 2
    assert turns > 100
