"""A server as a process of its own: started with its log in a file, ended with all below it."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from tests.app_live.service import descendants

STOP_SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def server(
    command: Sequence[str], environment: Mapping[str, str], ready: str, log: Path, seconds: float
) -> Iterator[int]:
    """Its pid, once the address `ready` answers 200."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            # Linux shares cores among sessions first (sched_autogroup): in the client's own, one
            # server would run beside it, while Ray's processes, in theirs, make it wait.
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + seconds
        while not answers(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                end = log.read_text(errors="replace")[-4000:]
                raise RuntimeError(f"{command[0]} does not answer at {ready}:\n{end}")
            time.sleep(0.5)
        yield process.pid
    finally:
        stop(process)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """Asks it to end, then kills what is left of it: by pid, and nothing else."""
    below = descendants(process.pid)
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in below:
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGKILL)


def cpu_seconds() -> tuple[float, float]:
    """CPU time since the start of what we run, this process included, and of all else.

    What the machine's own host took from it (steal) counts as all else.
    """
    ours = 0.0
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        ours += times.user + times.system
    machine = psutil.cpu_times()
    busy = sum(machine) - machine.idle - machine.iowait - machine.guest - machine.guest_nice
    return ours, busy - ours
