"""The supervisor's loop with real child processes, but without namespaces."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LOOP = """
import json, sys
from pathlib import Path
from sandbox.node.supervisor import Supervisor
sys.exit(Supervisor(json.loads(Path(sys.argv[1]).read_text()), 0).run())
"""


class Loop:
    """A supervisor in a separate process."""

    def __init__(self, folder: Path, components: list[dict[str, Any]]) -> None:
        self.folder = folder
        spec = {
            "inside": {"state": str(folder), "logs": str(folder)},
            "environment": {"PATH": os.environ["PATH"]},
            "components": [
                {"network": "node", "opens": "", "drain": False} | c for c in components
            ],
        }
        (folder / "spec.json").write_text(json.dumps(spec))
        self.process = subprocess.Popen([sys.executable, "-c", LOOP, str(folder / "spec.json")])

    def state(self, name: str) -> dict[str, Any]:
        try:
            published = json.loads((self.folder / "components.json").read_text())
        except FileNotFoundError:
            return {"pid": 0, "restarts": 0, "last_exit": ""}
        return dict(published[name])

    def until(self, true: Callable[[], bool], seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, "the supervisor ended"
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Loop]]:
    loops: list[Loop] = []

    def make(*components: dict[str, Any]) -> Loop:
        loops.append(Loop(tmp_path, list(components)))
        return loops[-1]

    yield make
    for loop in loops:
        if loop.process.poll() is None:
            loop.process.terminate()
        loop.process.wait(20)
        # Without a PID namespace, its children outlive it.
        states = json.loads((loop.folder / "components.json").read_text()).values()
        for pid in [state["pid"] for state in states if state["pid"] > 0]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def sleeper(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "command": ["sleep", "60"], **more}


def test_a_component_that_ends_is_started_again_and_counted(start: Callable[..., Loop]) -> None:
    loop = start(sleeper("a"))
    loop.until(lambda: loop.state("a")["pid"] > 0)
    pid = loop.state("a")["pid"]
    os.kill(pid, signal.SIGKILL)
    loop.until(lambda: loop.state("a")["pid"] not in {0, pid})
    assert loop.state("a")["restarts"] == 1
    assert loop.state("a")["last_exit"] == "signal 9"


def test_each_component_is_started_once(start: Callable[..., Loop]) -> None:
    """Also while the loop waits for an earlier one to open its socket, which was once a race."""
    loop = start(sleeper("a", opens="/nowhere/socket"), sleeper("b"))
    loop.until(lambda: loop.state("a")["pid"] > 0)
    time.sleep(0.5)
    assert loop.state("b") == {"pid": 0, "restarts": 0, "last_exit": ""}
    assert (loop.folder / "a.log").read_text().count("sleep 60") == 1


def test_a_program_that_is_missing_is_reported_and_the_rest_runs(
    start: Callable[..., Loop],
) -> None:
    loop = start({"name": "a", "command": ["no-such-program"]}, sleeper("b"))
    loop.until(lambda: loop.state("b")["pid"] > 0)
    assert "No such file" in loop.state("a")["last_exit"]


def test_on_exit_a_draining_component_is_asked_to_end_and_awaited(
    start: Callable[..., Loop],
) -> None:
    slow = "trap 'sleep 0.5; echo closed; exit 0' TERM; echo open; while :; do sleep 0.1; done"
    loop = start({"name": "a", "command": ["sh", "-c", slow], "drain": True})
    log = loop.folder / "a.log"
    loop.until(lambda: log.exists() and log.read_text().endswith("open\n"))
    loop.process.send_signal(signal.SIGTERM)
    assert loop.process.wait(10) == 0
    assert log.read_text().endswith("closed\n")


def test_a_component_gets_only_the_given_environment(
    start: Callable[..., Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_CALLER", "canary")
    loop = start({"name": "a", "command": ["env"]})
    loop.until(lambda: loop.state("a")["restarts"] >= 1)
    log = (loop.folder / "a.log").read_text()
    assert "PATH=" in log
    assert "canary" not in log
