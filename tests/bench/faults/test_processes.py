"""A signal reaches the process that was found, and never another with its number."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from bench.faults.processes import Process, memory_and_descriptors
from bench.faults.state import State


@pytest.fixture
def sleeping() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    process.stdout.readline()
    with process.stdout:
        yield process
    process.kill()
    process.wait()


def test_a_process_is_ended_by_its_pid_and_its_start(sleeping: "subprocess.Popen[bytes]") -> None:
    started = psutil.Process(sleeping.pid).create_time()
    Process(sleeping.pid, started - 1).send(signal.SIGKILL)
    assert sleeping.poll() is None, "a later process with the same number"
    Process(sleeping.pid, started).send(signal.SIGKILL)
    assert sleeping.wait(10) == -signal.SIGKILL
    Process(sleeping.pid, started).send(signal.SIGKILL)


def test_memory_and_descriptors_of_what_runs(sleeping: "subprocess.Popen[bytes]") -> None:
    started = psutil.Process(sleeping.pid).create_time()
    memory, descriptors = memory_and_descriptors([Process(sleeping.pid, started)])
    assert memory > 2**20
    assert descriptors >= 3


def test_a_state_names_what_was_replaced_and_knows_what_is_missing() -> None:
    before = State({"engine": ("1",), "replica": ("2",)}, ready=True)
    assert State({"engine": ("3",), "replica": ("2",)}, True).changed(before) == ["engine"]
    assert State({"engine": ("3",), "replica": ("2",)}, True).is_whole(before)
    assert not State({"engine": (), "replica": ("2",)}, True).is_whole(before)
    assert not State({"engine": ("3",), "replica": ("2",)}, False).is_whole(before)
