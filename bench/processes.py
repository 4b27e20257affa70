"""Runs servers as separate processes: logs go to a file, and descendants end with them."""

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

STOP_SECONDS = 30.0


def free_port() -> int:
    """A TCP port of the loopback address that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def server(
    command: Sequence[str], environment: Mapping[str, str], ready: str, log: Path, seconds: float
) -> Iterator[int]:
    """The server's pid, once the URL `ready` answers 200."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            # Linux divides cores among sessions first (sched_autogroup). In the client's session
            # the server would share the client's part, while Ray's processes have their own.
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


def descendants(pid: int) -> list[int]:
    """The pids of all processes below `pid`; empty if it is gone."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def answers(url: str) -> bool:
    """Whether the URL answers 200 within two seconds."""
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate the process, then kill what is left of it and below it, by pid only."""
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
    """CPU seconds of this process and its descendants, and of everything else.

    Time that the hypervisor took (steal) counts as everything else.
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
