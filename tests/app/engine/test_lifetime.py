"""Processes end with the one that started them, whatever they are doing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.serving.cluster import ROOT
from tests.processes import ended

# A package with vLLM's name: an engine that starts a worker. Both are then stuck in native code
# that keeps Python's lock, as in a driver, so that no thread of theirs can act.
VLLM = """
import ctypes, multiprocessing, os, sys

def stuck(name):
    with open(name, "w") as file:
        file.write(str(os.getpid()))
    ctypes.PyDLL(None).sleep(60)

def engine(folder):
    multiprocessing.get_context("spawn").Process(target=stuck, args=(f"{folder}/worker",)).start()
    stuck(f"{folder}/engine")
"""
REPLICA = """
import multiprocessing, sys
sys.path.insert(0, sys.argv[1])
import vllm
from app.engine import lifetime
if __name__ == "__main__":
    if sys.argv[2] == "tied":
        lifetime.tie_processes()
        lifetime.tie_processes()
    context = multiprocessing.get_context("spawn")
    context.Process(target=vllm.engine, args=(sys.argv[1],)).start()
    vllm.stuck(f"{sys.argv[1]}/replica")
"""
RAYLET = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[1]])
sys.stdin.read()
"""
WORKER = """
import os, time
from app.engine import lifetime
lifetime.end_with_raylet()
print(os.getpid(), flush=True)
time.sleep(60)
"""
POOL = """
import multiprocessing, time
from concurrent.futures import ThreadPoolExecutor
from app.engine import lifetime
if __name__ == "__main__":
    lifetime.tie_processes()
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(1,))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(process.start).result()
    process.join()
    print(process.exitcode)
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def number(file: Path) -> int:
    deadline = time.monotonic() + 30
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline, f"{file.name} did not start"
        time.sleep(0.05)
    return int(file.read_text())


@pytest.mark.parametrize("tied", [True, False])
def test_the_kernel_ends_an_engine_and_its_workers_with_the_replica(
    tmp_path: Path, tied: bool
) -> None:
    (tmp_path / "vllm.py").write_text(VLLM)
    script = tmp_path / "replica.py"
    script.write_text(REPLICA)
    replica = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), "tied" if tied else "free"], env=environment()
    )
    engine, worker = (number(tmp_path / name) for name in ("engine", "worker"))
    replica.kill()
    replica.wait()
    try:
        seconds = 1.0 if tied else 0.5
        assert ended(engine, seconds) is tied
        assert ended(worker, seconds) is tied
    finally:
        if not tied:  # what would stay without the tie
            os.kill(engine, signal.SIGKILL)
            os.kill(worker, signal.SIGKILL)


def test_a_replica_ends_with_its_raylet() -> None:
    raylet = subprocess.Popen(
        [sys.executable, "-c", RAYLET, WORKER],
        env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert raylet.stdout is not None
    replica = int(raylet.stdout.readline())
    assert not ended(replica, 1.2)
    raylet.kill()
    raylet.communicate()
    assert ended(replica, 1.5)


def test_processes_of_other_libraries_do_not_end_with_a_thread_of_a_pool(tmp_path: Path) -> None:
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment(), capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stdout == "0\n"
