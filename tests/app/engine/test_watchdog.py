"""An engine that hangs is distinguished from one that is slow, idle or dead."""

import asyncio
import subprocess
import sys

from app.engine.watchdog import until_stuck

PATIENCE, PERIOD = 0.2, 0.01


class Engine:
    def __init__(self, *delays: float, error: Exception | None = None) -> None:
        self.delays = list(delays)
        self.error = error
        self.asked = self.cancelled = 0

    async def answer(self) -> bool:
        self.asked += 1
        try:
            await asyncio.sleep(self.delays.pop(0) if self.delays else 0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return False


async def watched(engine: Engine, seconds: float) -> bool:
    """Whether the watchdog reports it stuck within this time."""
    try:
        await asyncio.wait_for(until_stuck(engine.answer, PATIENCE, PERIOD), seconds)
    except TimeoutError:
        return False
    return True


def test_a_slow_answer_counts_as_an_answer() -> None:
    engine = Engine(0.05, 0.1, 0.05)
    assert not asyncio.run(watched(engine, 0.5))
    assert engine.asked > 5


def test_no_answer_means_stuck() -> None:
    engine = Engine(0, 0, 3600)
    assert asyncio.run(watched(engine, 5))
    assert (engine.asked, engine.cancelled) == (3, 1)


def test_an_error_counts_as_an_answer() -> None:
    for error in (RuntimeError("dead"), TimeoutError()):
        engine = Engine(error=error)
        assert not asyncio.run(watched(engine, 0.3))
        assert engine.asked > 2


def test_stuck_processes_and_their_children_are_killed() -> None:
    """In a separate process, because `kill_children` kills all children of its process."""
    code = (
        "import subprocess, sys, os, signal\n"
        "from app.engine.watchdog import kill_children\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "os.kill(child.pid, signal.SIGSTOP)\n"
        "kill_children()\n"
        "print(child.wait(timeout=30))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.strip() == "-9"
