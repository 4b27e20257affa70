"""The real process beside a fake of Ray: what it sends, and when it must send nothing."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app import restore
from tests.infra.providers.applications.ray import TOKEN, FakeRay, application, config
from tests.infra.providers.common.fake_api_server import Request, Reset

ROOT = Path(__file__).parents[2]
BODY = config(application("a"), application("b"))
TURN = 0.02


@dataclass
class Head(FakeRay):
    """Ray at its own address, without an API server between."""

    session: str = "session_1"
    down: bool = False
    at_look: Callable[[], Any] = field(default=lambda: None)

    def answer(self, request: Request) -> tuple[int, Any]:
        if self.down:
            raise Reset
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return 401, "Unauthorized"
        if request.path == restore.VERSION:
            return 200, {"ray_version": "2.60.0", "session_name": self.session}
        assert request.path == restore.APPLICATIONS
        if (fault := self.fault(request)) is not None:
            return fault
        if request.method == "PUT":
            return self.put(request.body)
        self.at_look()
        return 200, self.details()

    def lose(self, session: str = "session_2") -> None:
        """A new head, without its predecessor's store."""
        self.apps, self.http, self.session = {}, {}, session

    @property
    def looks(self) -> int:
        return sum(request.path == restore.VERSION for request in self.requests)


@dataclass
class Running:
    """The process, the folder of its ConfigMap, and the fake."""

    head: Head
    folder: Path
    process: "subprocess.Popen[str]"

    def want(self, body: dict[str, Any], *, finished: bool = True) -> None:
        """What `up` writes before it changes anything, and after it has finished."""
        text = json.dumps(body)
        (self.folder / "applications.json").write_text(text)
        if finished:
            (self.folder / "finished").write_text(hashlib.sha256(text.encode()).hexdigest())

    def turns(self, number: int = 8) -> None:
        """Let it look that often; what it should not do, it would have done."""
        until = self.head.looks + number
        self.until(lambda: self.head.looks >= until)

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not holds():
            assert self.process.poll() is None, "the pod is Ready only while the process runs"
            assert time.monotonic() < deadline
            time.sleep(TURN / 4)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    folder = tmp_path / "wanted"
    folder.mkdir()
    with Head() as head:
        process = subprocess.Popen(
            [sys.executable, "-S", "-m", "app.restore"],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "RAYLINE_WANTED": str(folder),
                "RAYLINE_RAY_TOKEN": str(token),
                "RAYLINE_RAY_ADDRESS": head.url.removeprefix("http://"),
                "RAYLINE_RESTORE_SECONDS": str(TURN),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield Running(head, folder, process)
        finally:
            process.terminate()
            printed, _ = process.communicate(timeout=10)
            assert process.returncode == 0, printed
            assert TOKEN not in printed
            assert "Traceback" not in printed


def test_a_new_head_gets_what_the_last_up_finished_once(running: Running) -> None:
    running.want(BODY)
    running.until(lambda: bool(running.head.puts))
    running.turns()
    assert running.head.puts == [BODY]
    assert set(running.head.apps) == {"a", "b"}


def test_it_is_sent_again_after_each_loss(running: Running) -> None:
    running.want(BODY)
    for number in range(1, 4):
        running.until(lambda number=number: len(running.head.puts) == number)  # type: ignore[misc]
        running.turns()
        running.head.down = True
        time.sleep(5 * TURN)
        running.head.lose(f"session_{number + 1}")
        running.head.down = False
    running.until(lambda: len(running.head.puts) == 4)


@pytest.mark.parametrize("changed", [True, False])
def test_nothing_is_sent_while_up_is_at_work_was_killed_or_has_failed(
    running: Running, changed: bool
) -> None:
    """The first `up`, and one that changes a model; afterwards, what it finished."""
    if changed:
        running.want(BODY)
    new = config(application("a", "new"))
    running.want(new, finished=False)
    running.turns()
    running.head.lose()
    running.turns()
    assert running.head.puts == []
    running.want(new)
    running.until(lambda: bool(running.head.puts))
    assert running.head.puts == [new]


def test_an_edit_that_is_taken_back_is_restored(running: Running) -> None:
    running.want(BODY)
    running.want(config(application("a", "bad")), finished=False)
    running.want(BODY, finished=False)
    running.until(lambda: bool(running.head.puts))
    assert running.head.puts == [BODY]


def test_what_was_removed_is_not_lost(running: Running) -> None:
    """`destroy` removes the applications; kubelet renews the files up to a minute later."""
    running.want(BODY)
    running.head.serve(*BODY["applications"])
    running.turns()
    running.head.apps, running.head.http = {}, {}
    running.turns()
    assert running.head.puts == []


def test_applications_of_others_are_left_alone(running: Running) -> None:
    running.head.serve(application("theirs"))
    running.want(BODY)
    running.turns()
    assert running.head.puts == []


def test_an_up_that_comes_first_is_not_overtaken(running: Running) -> None:
    """It sends its own between two looks of the process."""
    looks = []

    def look() -> None:
        looks.append(1)
        if len(looks) == restore.EMPTY_TURNS - 1:
            running.head.serve(application("a", "of up"))

    running.head.at_look = look
    running.want(BODY)
    running.turns()
    assert running.head.puts == []


def test_a_controller_that_recovers_is_waited_for(running: Running) -> None:
    """With its store, Ray says for a moment that there are no applications."""
    looks = []

    def look() -> None:
        looks.append(1)
        if len(looks) == restore.EMPTY_TURNS:
            running.head.serve(*BODY["applications"])

    running.head.at_look = look
    running.want(BODY)
    running.turns()
    assert running.head.puts == []


def test_a_refused_body_is_not_repeated_without_end(running: Running) -> None:
    bad = application("a")
    del bad["import_path"]
    running.want(config(bad))
    running.until(lambda: bool(running.head.puts))
    running.turns(10)
    assert len(running.head.puts) == 1
    running.until(lambda: len(running.head.puts) == 2)


def test_a_slow_start_of_serve_is_waited_for(running: Running) -> None:
    def slow(request: Request) -> None:
        if request.method == "PUT":
            time.sleep(50 * TURN)

    running.head.fault = slow
    running.want(BODY)
    running.until(lambda: bool(running.head.puts))
    running.turns()
    assert running.head.puts == [BODY]


def test_applications_that_fail_are_sent_once(running: Running) -> None:
    running.head.broken = {"m"}
    running.want(BODY)
    running.until(lambda: bool(running.head.puts))
    running.turns(25)
    assert len(running.head.puts) == 1


@pytest.mark.parametrize(
    "fault",
    [
        lambda _request: (500, "GCS is not there yet"),
        lambda _request: (503, "Failed to get a response from the controller"),
        lambda _request: (200, '{"applications": {"a'),
        lambda _request: (200, "[]"),
    ],
)
def test_it_survives_whatever_ray_answers(running: Running, fault: Any) -> None:
    running.head.fault = fault
    running.want(BODY)
    running.turns()
    assert running.head.puts == []
    running.head.fault = lambda _request: None
    running.until(lambda: bool(running.head.puts))


def test_it_survives_another_token_and_damaged_files(running: Running) -> None:
    running.head.token = "another"
    running.want(BODY)
    time.sleep(10 * TURN)
    running.head.token = TOKEN
    (running.folder / "applications.json").write_text("{")
    (running.folder / "finished").write_text(hashlib.sha256(b"{").hexdigest())
    running.turns()
    assert running.head.puts == []
    running.want(config())
    running.turns()
    assert running.head.puts == [], "a stack without models has nothing to restore"
    running.want(BODY)
    running.until(lambda: bool(running.head.puts))


def test_it_stays_small(running: Running) -> None:
    """MB without the interpreter's own files, which all processes of the image share."""
    running.want(BODY)
    running.until(lambda: bool(running.head.puts))
    running.turns(50)
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    kib = int(status.partition("RssAnon:")[2].split()[0])
    assert kib < 16_000
    assert "site-packages" not in Path(f"/proc/{running.process.pid}/maps").read_text()


def test_a_token_that_no_header_can_have_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("canary\x00\n\ncanary")
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import app.restore as r\ntry: r.Poster().turn()\nexcept r.RayError as e: print(e)",
        ],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "RAYLINE_RAY_TOKEN": str(tmp_path / "token"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "canary" not in done.stdout + done.stderr
    assert "no HTTP header" in done.stdout
