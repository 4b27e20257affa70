"""Refusals as their receivers read them."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.limits import Limits
from app.access.roles import Role
from app.auth.allowances import Allowances
from app.auth.lockout import Lockout
from app.errors import RefusedError, too_many
from app.guard.backend import unavailable
from tests.app.conftest import Clock

APP = Path(__file__).resolve().parents[2] / "app"


def retry_after(error: RefusedError) -> int:
    (value,) = [value for name, value in error.headers() if name == b"retry-after"]
    assert re.fullmatch(rb"[1-9][0-9]*", value)
    return int(value)


@given(st.floats(0, 10**9))
def test_retry_after_is_rounded_up(seconds: float) -> None:
    shown = retry_after(too_many("limit", seconds, "Wait."))
    assert shown >= seconds
    assert shown == max(1, math.ceil(seconds))


@pytest.mark.parametrize("seconds", [0.5, 1.5, 2.5, 3.5, 1, 2, 3, 1.0000001, 59.5, 60.5])
def test_halves_and_whole_seconds_are_rounded_up_too(seconds: float) -> None:
    assert retry_after(too_many("limit", seconds, "Wait.")) == math.ceil(seconds)


def _refused(attempt: Callable[[], object]) -> RefusedError:
    for _ in range(1000):
        try:
            attempt()
        except RefusedError as error:
            return error
    raise AssertionError("it is never refused")


@given(st.integers(1, 200), st.floats(0, 10**6))
def test_who_waits_as_long_as_was_said_is_admitted(per_minute: int, pause: float) -> None:
    """The limits of a role, and the logins: a client that obeys is not refused again."""
    clock = Clock()
    clock.now += pause  # other roundings
    limits = Limits(clock, 100)
    role = Role("user", requests_per_minute=per_minute)

    def request() -> None:
        limits.release("user:bob", limits.admit("user:bob", role), 0)

    refused = _refused(request)
    clock.now += retry_after(refused)
    request()

    tokens = Role("user", tokens_per_minute=per_minute)

    def expensive() -> None:
        limits.release("user:al", limits.admit("user:al", tokens), 7)

    refused = _refused(expensive)
    clock.now += retry_after(refused)
    limits.release("user:al", limits.admit("user:al", tokens), 0)

    lockout = Lockout(clock, per_user=per_minute, per_place=per_minute, per_network=per_minute)

    def guess() -> None:
        attempt = lockout.attempt("bob", "2001:db8::1", b"key")
        lockout.begin(attempt)
        lockout.end(attempt, False)

    refused = _refused(guess)
    clock.now += retry_after(refused)
    guess()


def test_every_limit_that_refuses_says_when() -> None:
    """429 and 503 are made by two functions, which both have a time."""
    assert retry_after(unavailable()) == 10
    assert retry_after(_refused(lambda: Limits(Clock(), 0).admit("user:bob", Role("user")))) == 1
    for path in APP.rglob("*.py"):
        made = re.findall(r"RefusedError\(\s*(?:429|503)\b[^)]*", path.read_text(), re.DOTALL)
        assert all("retry_after" in call for call in made), path
    assert Allowances.hourly(1, "limit").every_s == 3600
