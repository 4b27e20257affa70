"""`rayline unlock` on states that the real engine left behind, and on answers that it can give."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cli.unlock import unlock
from toolchain.errors import CommandError, UserError

ROOT = Path(__file__).parents[2]
BINARIES = os.pathsep.join([str(ROOT / ".bin"), os.environ["PATH"]])
PROGRAM = """
import pulumi, time, pathlib

class Slow(pulumi.dynamic.ResourceProvider):
    def create(self, props):
        import pathlib, time
        pathlib.Path(props["mark"]).touch()
        time.sleep(60 if props["slow"] else 0)
        return pulumi.dynamic.CreateResult("x", props)

class Part(pulumi.dynamic.Resource):
    def __init__(self, name):
        here = pathlib.Path(__file__).parent
        slow = (here / "slow").exists()
        super().__init__(Slow(), name, {"mark": str(here / name), "slow": slow})

Part("a")
Part("b")
"""
real = pytest.mark.skipif(
    not shutil.which("pulumi", path=BINARIES), reason="no pulumi: type `make tools`"
)


class Lab:
    """A stack whose `up` takes a minute while the file `slow` exists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "state").mkdir()
        (folder / "slow").touch()
        (folder / "Pulumi.yaml").write_text(
            f"name: lab\nruntime: {{name: python, options: {{virtualenv: '{sys.prefix}'}}}}\n"
        )
        (folder / "__main__.py").write_text(PROGRAM)
        self.environ = {
            **os.environ,
            "PATH": BINARIES,
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
        }
        assert self.run("stack", "init", "lab").returncode == 0

    def run(self, *arguments: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def of_stack(
        self, *arguments: str, stdin: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return self.run(*arguments, "--stack", "lab", stdin=stdin)

    def start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            ["pulumi", "up", "--stack", "lab", "--yes", "--skip-preview", "--non-interactive"],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while not ((self.folder / "a").exists() and (self.folder / "b").exists()):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        return process


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    folder = tmp_path / "a folder"
    folder.mkdir()
    return Lab(folder)


def descendants(pid: int) -> list[int]:
    """The processes below `pid`: the dynamic provider would outlive a killed engine."""
    found = []
    for task in Path("/proc", str(pid), "task").iterdir():
        for child in (task / "children").read_text().split():
            found += [*descendants(int(child)), int(child)]
    return found


@real
def test_a_killed_up_is_unlocked_and_the_next_one_succeeds(lab: Lab) -> None:
    process = lab.start()
    with pytest.raises(UserError) as refused:
        unlock("lab", lab.of_stack, force=True)
    assert f"kill -INT {process.pid}" in refused.value.hint
    for pid in [process.pid, *descendants(process.pid)]:
        os.kill(pid, signal.SIGKILL)
    process.wait()

    said = unlock("lab", lab.of_stack, force=False)
    assert "lab is unlocked." in said
    assert f"process {process.pid}" in said
    assert "2 operations were interrupted" in said
    assert "pulumi up -s lab" in said
    assert "Nothing was changed" in unlock("lab", lab.of_stack, force=False)

    (lab.folder / "slow").unlink()
    done = lab.of_stack("up", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pending" not in done.stdout + done.stderr


class Answers:
    """A Pulumi whose state a run on `host` has locked until it is cancelled."""

    def __init__(self, host: str, pid: int) -> None:
        self.locked = True
        self.commands: list[str] = []
        self._line = f"created by ada@{host} (pid {pid}) at 2026-01-02T03:04:05Z"

    def __call__(self, *arguments: str, stdin: str | None = None) -> Any:
        self.commands.append(" ".join(arguments))
        code, error = 0, ""
        if arguments == ("cancel", "--yes"):
            self.locked = False
        elif arguments == ("stack", "import") and self.locked:
            code, error = 255, f"the stack is currently locked by 1 lock(s).\n  x: {self._line}"
        return subprocess.CompletedProcess(arguments, code, "{}", error)


def test_a_lock_of_another_machine_needs_a_word_of_the_user() -> None:
    answers = Answers("elsewhere", 7)
    with pytest.raises(UserError) as refused:
        unlock("prod", answers, force=False)
    assert "ada@elsewhere, process 7, since 2026-01-02T03:04:05Z" in refused.value.message
    assert refused.value.hint.endswith("rayline unlock -s prod --yes")
    assert "cancel --yes" not in answers.commands
    assert "held by ada@elsewhere" in unlock("prod", answers, force=True)
    assert answers.commands.count("cancel --yes") == 1


def test_a_process_that_is_not_pulumi_holds_nothing() -> None:
    answers = Answers(socket.gethostname(), os.getpid())
    assert "unlocked" in unlock("prod", answers, force=False)


def test_what_pulumi_refuses_is_quoted() -> None:
    def broken(*arguments: str, stdin: str | None = None) -> Any:
        return subprocess.CompletedProcess(arguments, 255, "", "error: no stack named 'x' found")

    with pytest.raises(CommandError, match="no stack named 'x' found"):
        unlock("x", broken, force=False)
