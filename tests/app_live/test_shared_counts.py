"""Counts that replicas share through the ledger, a real Ray actor, and behaviour without it.

The other replica is `neighbour.py`: it has no engine, and joins the service's own Ray.
"""

import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest

from app.auth.lockout import FAILURES, PER_USER, Attempt, Lockout
from bench.serving.service import PASSWORD, Service
from tests.app_live.extra_role import extra_role
from tests.app_live.program import Program, program

pytestmark = [pytest.mark.live]

# Both sides report once per second; a busy machine needs time to create an actor's process.
SHARED_SECONDS = 10.0
MADE_ANEW_SECONDS = 60.0
PER_MINUTE = 10_000
DEBT = 100 * PER_MINUTE  # so that it takes minutes to pay off


@pytest.fixture(scope="module")
def neighbour(service: Service) -> Iterator[Program]:
    environ = service.cluster.process_environment()
    with program("tests.app_live.neighbour", environ, service.cluster.address) as joined:
        report(joined)  # the ledger knows it from now on
        yield joined


def report(neighbour: Program, **changes: dict[str, Any]) -> dict[str, Any]:
    """What other replicas spent, as the neighbour receives it when it reports its own changes."""
    received = neighbour.ask({"report": changes})
    return dict(received["spent"]) if received else {}


def until(wanted: Callable[[], bool], seconds: float, what: str) -> float:
    begun = time.monotonic()
    while not wanted():
        assert time.monotonic() - begun < seconds, f"{what}: not after {seconds} s"
        time.sleep(0.2)
    return time.monotonic() - begun


def get(service: Service, headers: dict[str, str]) -> httpx.Response:
    return httpx.get(f"{service.url}/v1/models", headers=headers, timeout=30)


def test_use_at_one_replica_counts_at_the_other(service: Service, neighbour: Program) -> None:
    with extra_role(
        service, "sharer", groups=["models", "describe"], requests_per_minute=PER_MINUTE
    ) as headers:
        name = name_of(headers)

        def received_of_request() -> bool:
            # Again each time, because the ledger drops changes while the neighbour does not report.
            assert get(service, headers).status_code == 200
            return name in report(neighbour)

        until(received_of_request, SHARED_SECONDS, "the neighbour learns of a request")
        report(neighbour, spent={name: [DEBT, 0]})
        until(
            lambda: get(service, headers).status_code == 429, SHARED_SECONDS, "the limit is reached"
        )
        answer = get(service, headers)
        assert answer.headers["x-ratelimit-limit-name"] == "requests_per_minute"


def test_failed_logins_at_other_replicas_lock_too(service: Service, neighbour: Program) -> None:
    nobody = f"nobody-{secrets.token_hex(4)}"
    report(neighbour, failed={f"pair:{attempt(service, nobody).pair}": FAILURES})
    for _ in range(FAILURES - 1):  # one more failure here would lock it too
        time.sleep(2)
        form = {"username": nobody, "password": "x"}
        answer = httpx.post(f"{service.url}/token", data=form, timeout=30)
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    assert answer.headers["x-ratelimit-limit-name"] == "login_failures"


def attempt(service: Service, username: str, address: str = "127.0.0.1") -> Attempt:
    """The anonymous keys of a login, as every replica with the service's signing key makes them."""
    return Lockout(time.monotonic).attempt(username, address, service.key.encode())


def test_places_of_logins_at_other_replicas_are_known_here(
    service: Service, neighbour: Program
) -> None:
    """alice has logged in at the neighbour; then strangers use up what her new places may fail."""
    known, numbers = "127.77.1.1", itertools.count(2)

    def login(address: str, password: str) -> httpx.Response:
        with httpx.Client(transport=httpx.HTTPTransport(local_address=address)) as client:
            form = {"username": "alice", "password": password}
            return client.post(f"{service.url}/token", data=form, timeout=30)

    here = attempt(service, "alice", known)
    failed = {f"user:{here.user}": PER_USER}
    report(neighbour, failed=failed, places={here.user: [here.pair]})
    until(
        lambda: login(f"127.77.{next(numbers)}.1", "wrong").status_code == 429,
        SHARED_SECONDS,
        "new places are refused",
    )
    refused = login(f"127.77.{next(numbers)}.1", PASSWORD)
    assert refused.status_code == 429
    assert refused.headers["x-ratelimit-limit-name"] == "login_failures_per_user"
    assert login(known, PASSWORD).status_code == 200


def test_without_the_ledger_the_service_continues_and_recreates_it(
    service: Service, neighbour: Program
) -> None:
    headers = service.headers()
    name = name_of(headers)
    marks = service.log_marks()
    neighbour.ask({"kill": True})
    for _ in range(20):
        assert get(service, headers).status_code == 200
        time.sleep(0.1)
    service.logged("This replica counts alone", marks, 30)

    def shared_again() -> bool:
        assert get(service, headers).status_code == 200
        return name in report(neighbour)

    took = until(shared_again, MADE_ANEW_SECONDS, "counts are shared again")
    print(f"shared again {took:.1f} s after the first question")


def name_of(headers: dict[str, str]) -> str:
    """The account of a service token, under which guard and ledger count its owner."""
    token = headers["Authorization"].removeprefix("Bearer ")
    return "service:" + str(jwt.decode(token, options={"verify_signature": False})["sub"])
