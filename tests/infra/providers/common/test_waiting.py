"""Waiting with a deadline, and calls that Ctrl-C ends."""

import threading
import time

import pytest

from infra.providers.common.call import Call, CallCancelledError
from infra.providers.common.waiting import Waiting
from tests.infra.providers.common.fake_api_server import FakeClock


def test_a_wait_ends_with_the_condition_or_the_deadline() -> None:
    clock = FakeClock()
    states = iter(["a", "a", "b", None])
    lines: list[str] = []
    assert Waiting(lines.append, clock, 60).until(lambda: next(states))
    assert lines == ["a, 0 s of 60 s", "b, 4 s of 60 s"]
    assert not Waiting(lines.append, clock, 60).until(lambda: "still")
    assert lines[2:] == [f"still, {second} s of 60 s" for second in (0, 20, 40)]


def test_lasts_counts_uninterrupted_seconds() -> None:
    clock = FakeClock()
    waiting = Waiting(lambda _line: None, clock, 60)
    assert waiting.lasts("bad", True) == 0
    clock.sleep(5)
    assert waiting.lasts("bad", True) == 5
    assert waiting.lasts("bad", False) == -1
    assert waiting.lasts("bad", True) == 0


@pytest.fixture
def call() -> Call:
    return Call(lambda _line: None, lambda _text: None)


def test_a_call_returns_what_the_work_returns_or_raises(call: Call) -> None:
    assert call.run(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        call.run(lambda: 1 // 0)


def test_ctrl_c_ends_work_that_blocks_and_sleep(call: Call) -> None:
    blocked = threading.Event()
    threading.Timer(0.1, call.stop.set).start()
    began = time.monotonic()
    with pytest.raises(CallCancelledError):
        call.run(blocked.wait)
    with pytest.raises(CallCancelledError):
        call.clock.sleep(60)
    assert time.monotonic() - began < 5
    blocked.set()
