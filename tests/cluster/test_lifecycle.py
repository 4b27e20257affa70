"""The sandbox starts and stops in every state, and leaves nothing behind."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from sandbox import paths
from sandbox.cluster.kubectl import Kubectl
from sandbox.node import components, health, host, lifecycle
from sandbox.settings import Settings
from tests.cluster.running import sandbox_command
from toolchain.paths import CHECKOUT, cache_root

pytestmark = pytest.mark.lifecycle


def up() -> str:
    done = sandbox_command("up")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def down() -> None:
    done = sandbox_command("down")
    assert done.returncode == 0, done.stdout + done.stderr


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


def all_healthy() -> bool:
    return all(row.ok for row in health.rows(Settings()))


@dataclass(frozen=True)
class Machine:
    """Everything that a sandbox might leave behind, as sets to compare."""

    mounts: frozenset[str]
    links: frozenset[str]
    routes: frozenset[str]
    iptables: frozenset[str]
    cgroups: frozenset[str]
    network_namespaces: frozenset[str]
    run: frozenset[str]
    forwarding: str


def look() -> Machine:
    def lines(*command: str) -> frozenset[str]:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return frozenset(done.stdout.splitlines())

    rules = {line for line in lines("iptables-save") if line.startswith(("-A", "-N"))}
    rules |= {line.split()[0] for line in lines("iptables-save") if re.match(r":\S+ - ", line)}
    names = frozenset(line.split(":")[1] for line in lines("ip", "-oneline", "link"))
    return Machine(
        mounts=frozenset(Path("/proc/mounts").read_text().splitlines()),
        links=names,
        routes=lines("ip", "-4", "route"),
        iptables=frozenset(rules),
        cgroups=frozenset(str(p) for p in Path("/sys/fs/cgroup").rglob("*") if p.is_dir()),
        network_namespaces=lines("lsns", "--type", "net", "--noheadings", "--output", "NS"),
        run=frozenset(str(p) for p in Path("/run").glob("*")),
        forwarding=host.FORWARDING.read_text(),
    )


def strangers(before: set[int]) -> list[str]:
    """New processes that are in namespaces other than this process's, or have our name.

    Other new processes do not count, because anything may start on the machine meanwhile.
    """
    own = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "net", "pid")}
    commands = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        pid, command = process.info["pid"], " ".join(process.info["cmdline"] or ())
        if pid in before or pid == os.getpid():
            continue
        try:
            elsewhere = any(os.readlink(f"/proc/{pid}/ns/{k}") != v for k, v in own.items())
        except OSError:
            continue
        if elsewhere or "rayline-sandbox" in command or "sandbox.node" in command:
            commands.append(command[:100])
    return commands


@pytest.fixture
def stopped() -> Iterator[None]:
    """No sandbox before the test, and none after it."""
    down()
    yield
    down()


@pytest.fixture
def running() -> Kubectl:
    """A running sandbox, regardless of its earlier state."""
    up()
    return Kubectl(paths.BIN / "kubectl", paths.KUBECONFIG)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("cycles", [2, pytest.param(10, marks=pytest.mark.long)])
def test_starts_and_stops_leave_nothing_behind(stopped: None, cycles: int) -> None:
    machine, processes = look(), set(psutil.pids())
    seconds = []
    for _ in range(cycles):
        begun = time.monotonic()
        up()
        seconds.append(time.monotonic() - begun)
        assert look() != machine  # the comparison would notice a sandbox
        down()
        until(lambda: look() == machine, 5)
        assert strangers(processes) == []
        assert host.processes() == []
        assert [p.name for p in paths.STATE.iterdir()] == ["logs"]
    print(f"warm starts, s: {[round(s, 1) for s in seconds]}")
    assert max(seconds) < 30


def test_a_pod_that_ignores_sigterm_does_not_delay_the_stop(stopped: None) -> None:
    machine = look()
    up()
    kubectl = Kubectl(paths.BIN / "kubectl", paths.KUBECONFIG)
    base = json.loads((paths.STATE / "images.json").read_text())["base"]
    deaf = "trap '' TERM; sleep 600 & wait; sleep 600"
    kubectl.run("run", "deaf", f"--image={base}", "--command", "--", "sh", "-c", deaf)
    kubectl.run("wait", "--for=condition=Ready", "pod/deaf", "--timeout=60s", timeout=70)
    begun = time.monotonic()
    down()
    assert time.monotonic() - begun < 15
    until(lambda: look() == machine, 5)


def test_a_second_start_changes_nothing(running: Kubectl) -> None:
    before = [(row.name, row.pid) for row in health.rows(Settings())]
    assert "the sandbox is running" in up()
    assert [(row.name, row.pid) for row in health.rows(Settings())] == before


@pytest.mark.parametrize("name", [c.name for c in components.components(Settings())])
def test_a_killed_component_comes_back(running: Kubectl, name: str) -> None:
    until(all_healthy)
    pid = next(row.pid for row in health.rows(Settings()) if row.name == name)
    os.kill(pid, signal.SIGKILL)

    def replaced() -> bool:
        row = next(row for row in health.rows(Settings()) if row.name == name)
        return row.ok and row.pid not in {0, pid} and row.restarts >= 1

    until(replaced, 40)
    until(all_healthy, 40)


def test_a_killed_supervisor_ends_every_process_and_the_cluster_resumes(
    running: Kubectl,
) -> None:
    running.run("create", "configmap", "kept", "--from-literal=a=b")
    holder = lifecycle.owner()
    assert holder is not None
    os.kill(holder["pid"], signal.SIGKILL)
    until(lambda: host.processes() == [], 10)
    assert sandbox_command("status").returncode == 1
    up()
    until(all_healthy)
    assert running.run("get", "configmap", "kept", "-o", "jsonpath={.data.a}") == "b"
    running.run("delete", "configmap", "kept")


@pytest.mark.parametrize("seconds", [0.8, 1.5, 3.0, 6.0])
def test_a_start_that_is_killed_midway_can_be_repeated(stopped: None, seconds: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "up"],
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    process.kill()
    process.wait()
    up()
    until(all_healthy)


def test_a_taken_port_is_named_with_its_owner(stopped: None) -> None:
    with socket.create_server(("127.0.0.1", 5000)):
        done = sandbox_command("up")
    assert done.returncode == 2
    assert "port 5000" in done.stderr
    assert f"(PID {os.getpid()})" in done.stderr
    assert "RAYLINE_REGISTRY_PORT=5001" in done.stderr
    assert host.processes() == []


def test_another_port_and_network_work(stopped: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYLINE_REGISTRY_PORT", "5017")
    monkeypatch.setenv("RAYLINE_NETWORK", "10.217.0.0/16")
    up()
    rows = {row.name: row for row in health.rows(Settings(registry_port=5017))}
    assert rows["registry"].ok
    assert "10.217.0.2" in paths.KUBECONFIG.read_text()


def test_the_sandbox_of_another_checkout_is_respected(stopped: None) -> None:
    with lifecycle.LOCK.open("w") as lock:
        lock.write(json.dumps({"checkout": "/elsewhere/rayline", "pid": 1}))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        for verb in ("up", "down"):
            done = sandbox_command(verb)
            assert done.returncode == 2
            assert "/elsewhere/rayline" in done.stderr


def test_two_concurrent_starts_do_not_conflict(stopped: None) -> None:
    command = [sys.executable, "-m", "sandbox", "up"]
    first = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    time.sleep(1.0)
    second = sandbox_command("up")
    assert second.returncode == 2
    assert "is at work" in second.stderr
    assert first.wait(120) == 0
    assert all_healthy()


def test_an_idle_sandbox_stays_within_its_budget(running: Kubectl) -> None:
    """Less than 1.5 GiB and a fifth of a core, over 30 s."""
    until(all_healthy)
    time.sleep(10)  # for the work that the start caused

    def cpu_seconds() -> float:
        total = 0.0
        for pid in host.processes():
            try:
                times = psutil.Process(pid).cpu_times()
            except psutil.Error:
                continue
            total += times.user + times.system
        return total

    begun, used = time.monotonic(), cpu_seconds()
    time.sleep(30)
    share = (cpu_seconds() - used) / (time.monotonic() - begun)
    memory = health.memory()
    print(f"idle: {memory / 1024**2:.0f} MiB, {share:.3f} cores")
    assert memory < 1.5 * 1024**3
    assert share < 0.20


def test_no_key_is_readable_by_others(running: Kubectl) -> None:
    assert paths.STATE.stat().st_mode & 0o077 == 0
    for path in (paths.STATE / "pki").glob("*.key"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_stores_outlive_a_stop(stopped: None) -> None:
    up()
    down()
    assert "base image" in up()
    log = paths.LOGS / "base-image.log"
    assert not log.exists() or time.time() - log.stat().st_mtime > 10
    assert (cache_root() / "registry").is_dir()
