"""Serve's controller may end at any time; replicas, requests and logs go on without it."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bench.processes import descendants
from bench.serving.service import APPLICATION, Service
from tests.app_live.calls import completion
from tests.guarantees.fixtures import Measured

pytestmark = [pytest.mark.live]

# Serve's handler keeps this many records before it writes them
# (RAY_SERVE_THROUGHPUT_OPTIMIZED, ray/serve/_private/constants.py).
BUFFERED_RECORDS = 1000
PERIOD_SECONDS = 0.1


def controller(service: Service) -> int | None:
    """The pid of Serve's controller; None while there is none."""
    assert service.cluster.process is not None
    for pid in descendants(service.cluster.process.pid):
        try:
            title = (Path("/proc") / str(pid) / "cmdline").read_bytes()
        except FileNotFoundError:
            continue
        if title.startswith(b"ray::ServeController"):
            return pid
    return None


def replica_log(service: Service) -> Path:
    (replica,) = service.running_replicas()
    logs = service.cluster.folder / "ray" / "session_latest" / "logs"
    return logs / str(replica["log_file_path"]).lstrip("/")


@contextmanager
def asking(service: Service) -> Iterator[list[str]]:
    """Requests at the ingress every 0.1 s, one after the other; the list is of failures."""
    failures: list[str] = []
    asked = 0
    over = threading.Event()

    def ask() -> None:
        nonlocal asked
        headers = service.headers("admin")
        body = completion(max_tokens=1)
        while not over.wait(PERIOD_SECONDS):
            asked += 1
            try:
                answer = httpx.post(
                    f"{service.url}/v1/completions", json=body, headers=headers, timeout=15
                )
                if answer.status_code != 200:
                    failures.append(f"{answer.status_code}: {answer.text}")
            except httpx.HTTPError as error:
                failures.append(repr(error))

    with ThreadPoolExecutor(1) as pool:
        asker = pool.submit(ask)
        try:
            yield failures
        finally:
            over.set()
            asker.result()
    print(f"{asked} requests, {len(failures)} failed")
    assert asked >= 5


def stream(service: Service, begun: threading.Event) -> str:
    body = completion(stream=True, max_tokens=6000)
    parts = []
    with httpx.stream(
        "POST", f"{service.url}/v1/completions", json=body, headers=service.headers(), timeout=120
    ) as answer:
        for part in answer.iter_text():
            parts.append(part)
            begun.set()
    return "".join(parts)


def wait_recovered(service: Service, old: int) -> None:
    """Wait for another controller that knows the application as RUNNING."""
    deadline = time.monotonic() + 90
    while True:
        assert time.monotonic() < deadline, "no new controller after 90 s"
        time.sleep(0.2)
        if controller(service) in (None, old):
            continue
        try:
            report = service.cluster.applications().get(APPLICATION, {})
        except httpx.HTTPError:
            continue
        if report.get("status") == "RUNNING":
            return


def test_a_killed_controller_costs_no_request_and_no_replica(
    redeployable: Service, measured: Measured
) -> None:
    service = redeployable
    (replica,) = service.running_replicas()
    engine, log = service.engine_processes(), replica_log(service)
    pid = controller(service)
    assert pid is not None
    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool, asking(service) as failures:
        running = pool.submit(stream, service, begun)
        assert begun.wait(30)
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        wait_recovered(service, pid)
        measured("controller.running", time.monotonic() - killed, "s")
        # The recovering controller stops a replica that it could not ask: not at once.
        time.sleep(10)
        text = running.result()
    measured("controller.failed", len(failures), "requests", at_most=0)
    assert failures == []
    assert '"finish_reason":"length"' in text
    assert text.rstrip().endswith("data: [DONE]")
    (now,) = service.running_replicas()
    assert (now["replica_id"], now["pid"]) == (replica["replica_id"], replica["pid"])
    assert service.engine_processes() == engine
    assert replica_log(service) == log


def test_the_replica_log_goes_on_and_nothing_stays_in_memory(service: Service) -> None:
    log = replica_log(service)
    before = log.stat().st_size
    # The guard answers /health by itself; this one goes through Serve, which logs it.
    with service.operator() as client:
        for _ in range(BUFFERED_RECORDS + 100):
            assert client.get("/v1/models").status_code == 200
    assert log.stat().st_size > before + BUFFERED_RECORDS * 20


def test_vllm_writes_its_own_lines_to_the_output_of_the_replica(service: Service) -> None:
    (replica,) = service.running_replicas()
    (output,) = log_files(service, f"-{replica['pid']}.out")
    lines = output.read_text().splitlines()
    assert [line for line in lines if "pid=" + str(replica["pid"]) in line and " INFO " in line]
    assert "\x1b[" not in output.read_text()


def log_files(service: Service, end: str) -> list[Path]:
    return list((service.cluster.folder / "ray/session_latest/logs").glob(f"worker-*{end}"))
