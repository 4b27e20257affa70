"""Failures that fade evenly: how many fit into an hour, and what is kept of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.allowances import Allowances

HOUR = 3600.0


@given(st.integers(1, 200), st.integers(0, 3600))
def test_no_hour_has_more_failures_than_allowed(count: int, start: int) -> None:
    """A guesser who fails whenever it is allowed, for three hours."""
    allowances = Allowances.hourly(count, "limit")
    now, times = float(start), []
    while now < start + 3 * HOUR:
        wait = allowances.wait_s("key", now)
        if wait:
            now += wait
            continue
        allowances.fail("key", now)
        times.append(now)
    for begin in times:
        assert sum(begin <= at < begin + HOUR - 1e-6 for at in times) <= count


@pytest.mark.parametrize("count", [1, 2, 3, 60, 61])
def test_half_of_an_hours_failures_fit_at_once(count: int) -> None:
    allowances = Allowances.hourly(count, "limit")
    done = 0
    while not allowances.wait_s("key", 0.0):
        allowances.fail("key", 0.0)
        done += 1
    assert done == (count + 1) // 2
    assert 0 < allowances.wait_s("key", 0.0) <= HOUR
    assert allowances.wait_s("another", 0.0) == 0


def test_attempts_without_an_outcome_count_until_they_end() -> None:
    allowances = Allowances(2, 60.0, "limit")
    allowances.begin("key")
    allowances.begin("key")
    assert allowances.wait_s("key", 0.0) == 1.0  # one of them may succeed in a moment
    allowances.end("key")
    assert allowances.wait_s("key", 0.0) == 0
    allowances.end("key")
    assert not allowances._pending


def test_reports_of_others_never_make_a_wait_longer_than_a_guesser_could() -> None:
    allowances = Allowances(5, 60.0, "limit")
    allowances.fail("key", 0.0, 10**9)
    assert allowances.wait_s("key", 0.0) == 60.0
    allowances.forgive("key")
    assert allowances.wait_s("key", 0.0) == 0


def test_failures_at_many_keys_do_not_hide_those_at_one() -> None:
    allowances = Allowances(30, 120.0, "limit", max_keys=100)
    for _ in range(30):
        allowances.fail("victim", 0.0)
    for number in range(10_000):
        allowances.fail(f"invented {number}", 1.0)
    assert len(allowances) == 100
    assert len(allowances._order) <= 2 * 100 + 1001
    assert allowances.wait_s("victim", 1.0) > 0


def test_faded_keys_are_forgotten() -> None:
    allowances = Allowances(5, 60.0, "limit")
    for number in range(1000):
        allowances.fail(f"key {number}", float(number))
    assert len(allowances) <= 61
    for _ in range(5000):
        allowances.fail("one", 2000.0)
    assert len(allowances._order) <= 2 * len(allowances) + 1001
