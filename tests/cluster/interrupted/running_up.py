"""An `up` of the stack `local` that a test interrupts or kills."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from sandbox import paths
from sandbox.local_stack import NAME, LocalStack
from toolchain.paths import CHECKOUT


class RunningUp:
    """The process of one `pulumi up`, with its output in a file."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, pattern: str, seconds: float) -> bool:
        """Whether the output matches before the process ends or the time is over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if re.search(pattern, self.output):
                return True
            if self.process.poll() is not None:
                return bool(re.search(pattern, self.output))
            time.sleep(0.05)
        return False

    def kill(self, *, plugins: bool) -> None:
        """SIGKILL to the engine alone, as the kernel does without memory, or to all processes, as a
        lost machine does."""
        if plugins:
            end(self.process.pid)
        else:
            self.process.kill()
        self.process.wait(30)

    def interrupt(self, seconds: float) -> int:
        """One Ctrl-C, which a terminal sends to the whole group; returns the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(seconds)


def end(session: int) -> None:
    """SIGKILL to all processes of a session: the engine, the language host and the plug-ins, each
    of which has a process group of its own."""
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == session:
                os.kill(pid, signal.SIGKILL)


@contextmanager
def running_up(stack: LocalStack) -> Iterator[RunningUp]:
    """Start `pulumi up`; the engine does not outlive the context. Plug-ins of one that was killed
    alone may work on, until `end` of the process."""
    log = stack.folder / "interrupted.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [
                *(str(paths.BIN / "pulumi"), "up", "--yes", "--skip-preview"),
                *("--non-interactive", "--color=never", "--stack", NAME),
                *("--config-file", str(stack.config_file)),
            ],
            cwd=CHECKOUT,
            env=os.environ | stack.environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    running = RunningUp(process, log)
    try:
        yield running
    finally:
        if process.poll() is None:
            running.kill(plugins=True)
