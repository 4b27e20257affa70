"""Logins, locks, users and keys of the running service, through Serve's ingress and a replica's
port.

On loopback every address of 127.0.0.0/8 is available, so clients of several addresses are easy.
"""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import jwt
import pytest

from app.auth.lockout import EVERY_S, FAILURES, PER_PLACE
from bench.serving.service import PASSWORD, Service

pytestmark = [pytest.mark.live]

REFUSED_SECONDS = 2.0
LOGIN_SECONDS = 5.0
TAKEN_UP_SECONDS = 10.0


@pytest.fixture
def address(base: str) -> Iterator[Callable[[], httpx.Client]]:
    """Clients, each of an address that no other test uses."""
    clients: list[httpx.Client] = []

    def new() -> httpx.Client:
        low = secrets.randbelow(200) + 20
        host = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(256)}.{low}"
        transport = httpx.HTTPTransport(local_address=host)
        clients.append(httpx.Client(base_url=base, transport=transport, timeout=30))
        return clients[-1]

    yield new
    for client in clients:
        client.close()


def login(client: httpx.Client, username: str, password: str = PASSWORD) -> httpx.Response:
    return client.post("/token", data={"username": username, "password": password})


def test_five_failures_lock_only_that_user_at_that_address(
    address: Callable[[], httpx.Client],
) -> None:
    guesser, bystander = address(), address()
    live = login(guesser, "bob").json()["access_token"]
    for _ in range(FAILURES):
        assert login(guesser, "bob", "wrong").status_code == 401
    locked = login(guesser, "bob")
    assert locked.status_code == 429
    assert locked.headers["x-ratelimit-limit-name"] == "login_failures"
    assert 0 < int(locked.headers["retry-after"]) <= EVERY_S
    assert login(bystander, "bob").status_code == 200  # the same user elsewhere
    assert login(guesser, "eve").status_code == 200  # another user at the same address
    # Existing tokens remain valid.
    assert guesser.get("/v1/models", headers=bearer(live)).status_code == 200


def test_right_logins_succeed_while_one_address_floods(
    address: Callable[[], httpx.Client],
) -> None:
    """20 of 20, each at another address, during guesses with random names."""
    flooding = address()
    done = threading.Event()
    statuses: list[int] = []

    def flood() -> None:
        while not done.is_set():
            statuses.append(login(flooding, secrets.token_hex(4), "wrong").status_code)
            time.sleep(0.02)

    floods = [threading.Thread(target=flood) for _ in range(8)]
    for thread in floods:
        thread.start()
    took = []
    try:
        time.sleep(0.5)
        for number in range(20):
            client = address()
            began = time.monotonic()
            assert login(client, ("bob", "eve")[number % 2]).status_code == 200
            took.append(time.monotonic() - began)
    finally:
        done.set()
        for thread in floods:
            thread.join()
    print(f"{max(took):.2f} s at most during {len(statuses)} guesses: {Counter(statuses)}")
    assert max(took) < LOGIN_SECONDS
    assert statuses.count(401) <= PER_PLACE
    assert set(statuses) == {401, 429}


def test_no_client_can_choose_its_address(address: Callable[[], httpx.Client]) -> None:
    guesser = address()
    statuses = []
    for number in range(FAILURES + 1):
        invented = f"198.51.100.{number}"
        guesser.headers.update(
            {
                "x-forwarded-for": invented,
                "x-real-ip": invented,
                "forwarded": f"for={invented}",
                "x-rayline-client": invented,
                "x-rayline-proof": "0" * 64,
            }
        )
        statuses.append(login(guesser, "bob", "wrong").status_code)
    assert statuses == [401] * FAILURES + [429]


def test_an_unknown_user_and_a_wrong_password_are_the_same_bytes(
    address: Callable[[], httpx.Client],
) -> None:
    client = address()

    def shown(answer: httpx.Response) -> tuple[object, ...]:
        differs = ("x-request-id", "date")
        kept = [(name, value) for name, value in answer.headers.items() if name not in differs]
        return answer.status_code, sorted(kept), answer.content

    wrong = shown(login(client, "bob", "wrong"))
    assert shown(login(client, "nobody-of-that-name", "wrong")) == wrong
    assert wrong[0] == 401


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def seconds_until(status: int, ask: Callable[[], httpx.Response], within: float) -> float:
    """Wait until a request has this answer; a request sent later than `within` must have it.

    The time at which it is sent counts, not the arrival of its answer, which depends on the
    machine.
    """
    begun = time.monotonic()
    while True:
        sent = time.monotonic() - begun
        answer = ask()
        if answer.status_code == status:
            return sent
        assert sent < within, f"still {answer.status_code} after {sent:.1f} s"
        time.sleep(0.02)


@contextmanager
def changed(service: Service, **entries: str) -> Iterator[None]:
    """Change files of the auth-config, and restore them afterwards; new ones become empty, because
    the revocations of a file that is gone remain in force."""
    before = {
        name: file.read_text() for name in entries if (file := service.auth_folder / name).exists()
    }
    try:
        for name, value in entries.items():
            service.write(name, value)
        yield
    finally:
        for name in entries:
            service.write(name, before.get(name, ""))


def test_a_removed_user_is_refused_within_2_s(
    service: Service, base: str, address: Callable[[], httpx.Client]
) -> None:
    client = address()
    headers = bearer(login(client, "bob").json()["access_token"])
    assert client.get("/v1/models", headers=headers).status_code == 200
    with changed(service, USER_LIST="ALICE, EVE"):
        took = seconds_until(
            401, lambda: client.get("/v1/models", headers=headers), REFUSED_SECONDS
        )
        assert login(client, "bob").status_code == 401
        assert login(client, "eve").status_code == 200
    print(f"refused {took:.2f} s after the files' change at {base}")
    seconds_until(200, lambda: client.get("/v1/models", headers=headers), TAKEN_UP_SECONDS)


def test_a_key_is_rotated_without_a_refusal(
    service: Service, address: Callable[[], httpx.Client]
) -> None:
    client = address()
    old = login(client, "bob").json()["access_token"]
    statuses: list[int] = []
    done = threading.Event()

    def call_on() -> None:
        with httpx.Client(base_url=service.url, headers=bearer(old), timeout=30) as caller:
            while not done.is_set():
                statuses.append(caller.get("/v1/models").status_code)
                time.sleep(0.02)

    caller = threading.Thread(target=call_on)
    caller.start()
    try:
        new_key = secrets.token_urlsafe(48)
        with changed(service, JWT_PREVIOUS_KEYS=service.key, JWT_KEY=new_key):
            deadline = time.monotonic() + TAKEN_UP_SECONDS
            while kid(new := login(client, "bob").json()["access_token"]) == kid(old):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            time.sleep(1)
            done.set()
            caller.join()
            assert client.get("/v1/models", headers=bearer(new)).status_code == 200
            assert client.get("/v1/models", headers=bearer(old)).status_code == 200
            with changed(service, JWT_PREVIOUS_KEYS=""):
                seconds_until(
                    401, lambda: client.get("/v1/models", headers=bearer(old)), REFUSED_SECONDS
                )
                assert client.get("/v1/models", headers=bearer(new)).status_code == 200
    finally:
        done.set()
        caller.join()
    seconds_until(200, lambda: client.get("/v1/models", headers=bearer(old)), TAKEN_UP_SECONDS)
    print(f"{len(statuses)} calls with the old key's token while it was rotated: {set(statuses)}")
    assert set(statuses) == {200}


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_removals_apply_beside_a_file_that_is_not_text(
    service: Service, base: str, address: Callable[[], httpx.Client]
) -> None:
    client = address()
    bob = bearer(login(client, "bob").json()["access_token"])
    eve = bearer(login(client, "eve").json()["access_token"])
    roles = service.auth_folder / "ROLES"
    with changed(service, ROLES=roles.read_text(), USER_LIST="ALICE, EVE"):
        roles.write_bytes(b"\xff\xfe not text")
        seconds_until(401, lambda: client.get("/v1/models", headers=bob), REFUSED_SECONDS)
        assert client.get("/v1/models", headers=eve).status_code == 200
    seconds_until(200, lambda: client.get("/v1/models", headers=bob), TAKEN_UP_SECONDS)
    print(f"refused at {base}")


def test_a_service_token_is_revoked_by_its_name(service: Service, base: str) -> None:
    headers = service.headers()
    claims = jwt.decode(
        headers["Authorization"].removeprefix("Bearer "), options={"verify_signature": False}
    )
    with httpx.Client(base_url=base, headers=headers, timeout=30) as client:
        assert client.get("/v1/models").status_code == 200
        with changed(service, REVOKED_SERVICE_TOKENS=str(claims["sub"])):
            seconds_until(401, lambda: client.get("/v1/models"), REFUSED_SECONDS)
        seconds_until(200, lambda: client.get("/v1/models"), TAKEN_UP_SECONDS)
