"""The first process of the node's namespaces: it mounts, starts, restarts, reaps and stops.

It is process 1 of a PID namespace, so the kernel kills every process of the sandbox (pods, shims,
builds) together with it, and the mount and network namespaces vanish with the last of them.
However it ends, no process is left to clean up. See docs/adr/0003-sandbox-in-namespaces.md.

`lifecycle` runs it inside `unshare` as `python -m sandbox.node.supervisor SPEC LOCK_FD NETWORK_FD`.
It imports the standard library only, because it must start even when nothing else works.
"""

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL = 0.05
"""Seconds between two attempts to connect to what a component opens."""
OPEN_TIMEOUT = 30.0
"""Seconds to wait for a component's port or socket; after that the next one starts anyway."""
DRAIN = 5.0
"""Seconds for a component to close a store that outlives the cluster."""
BACKOFF = (0.2, 1.0, 2.0, 5.0)
"""Seconds before a component's first, second, third restart; the last value repeats."""


@dataclass
class Running:
    """The state of one component.

    `pid` is 0 while it does not run; `restart_at` is infinite until it has been started once.
    """

    spec: dict[str, Any]
    pid: int = 0
    restarts: int = 0
    last_exit: str = ""
    restart_at: float = math.inf


class Supervisor:
    """Keeps the components of a spec running until a signal asks it to end."""

    def __init__(self, spec: dict[str, Any], network_fd: int) -> None:
        self._spec = spec
        self._network_fd = network_fd
        self._state = Path(spec["inside"]["state"])
        self._components = {c["name"]: Running(c) for c in spec["components"]}
        self._ending = False

    def run(self) -> int:
        """Start every component in order, then keep them running until the signal to end."""
        signal.pthread_sigmask(
            signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
        )
        for name in self._components:
            if self._ending:
                break
            self._start(name)
            self._wait_open(self._components[name])
        while not self._ending:
            self._turn(0.5)
        self._drain()
        return 0

    def _turn(self, seconds: float) -> None:
        """Wait at most `seconds` for a signal, reap, and restart what is due."""
        received = signal.sigtimedwait({signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}, seconds)
        if received is not None and received.si_signo != signal.SIGCHLD:
            self._ending = True
        self._reap()
        now = time.monotonic()
        for name, running in self._components.items():
            if not self._ending and not running.pid and running.restart_at <= now:
                running.restarts += 1
                self._start(name)

    def _start(self, name: str) -> None:
        running = self._components[name]
        command = list(running.spec["command"])
        if running.spec["network"] == "host":
            command = ["nsenter", f"--net=/proc/self/fd/{self._network_fd}", "--", *command]
        log = f"{self._spec['inside']['logs']}/{name}.log"
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with open(log, "a") as stream:
            stream.write(f"--- {time.strftime('%Y-%m-%dT%H:%M:%S%z')} {' '.join(command)}\n")
        # Not `subprocess`: it waits for its children itself, and here only `_reap` may do that.
        os.set_inheritable(self._network_fd, running.spec["network"] == "host")
        try:
            running.pid = os.posix_spawnp(
                command[0],
                command,
                self._spec["environment"],
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, log, append, 0o644),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
                setsigmask=(),
            )
        except OSError as error:
            running.last_exit = f"{command[0]}: {error.strerror}"
            running.restart_at = time.monotonic() + BACKOFF[-1]
        self._publish()

    def _wait_open(self, running: Running) -> None:
        opens = running.spec["opens"]
        deadline = time.monotonic() + OPEN_TIMEOUT
        while opens and not self._ending and time.monotonic() < deadline and not _is_open(opens):
            self._turn(POLL)

    def _reap(self) -> None:
        by_pid = {r.pid: r for r in self._components.values() if r.pid}
        changed = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            running = by_pid.get(pid)
            if running is None:
                continue
            code = os.waitstatus_to_exitcode(status)
            running.last_exit = f"signal {-code}" if code < 0 else f"exit code {code}"
            running.pid = 0
            delay = BACKOFF[min(running.restarts, len(BACKOFF) - 1)]
            running.restart_at = time.monotonic() + delay
            changed = True
        if changed:
            self._publish()

    def _drain(self) -> None:
        draining = [r for r in self._components.values() if r.pid and r.spec["drain"]]
        for running in draining:
            with contextlib.suppress(ProcessLookupError):
                os.kill(running.pid, signal.SIGTERM)
        deadline = time.monotonic() + DRAIN
        while any(r.pid for r in draining) and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, 0.1)
            self._reap()

    def _publish(self) -> None:
        """Write the state for `health` to read; PIDs are those of this namespace."""
        text = json.dumps(
            {
                name: {"pid": r.pid, "restarts": r.restarts, "last_exit": r.last_exit}
                for name, r in self._components.items()
            }
        )
        path = self._state / "components.json"
        temporary = path.with_suffix(".new")
        temporary.write_text(text)
        temporary.replace(path)


def _is_open(opens: int | str) -> bool:
    """Whether something listens on this TCP port of the node, or on this socket."""
    family = socket.AF_INET if isinstance(opens, int) else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(("127.0.0.1", opens) if isinstance(opens, int) else opens)
        except OSError:
            return False
        return True


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")


def mount(spec: dict[str, Any]) -> None:
    """Lay out the node's view of the file system (see `layout`)."""
    _run("mount", "--make-rprivate", "/")
    for source, target in spec["binds"]:
        Path(target).mkdir(parents=True, exist_ok=True)
        _run("mount", "--bind", source, target)
    scratch = spec["inside"]["scratch"]
    Path(scratch).mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", scratch)
    # What programs write to /var and the masked folders vanishes with the namespace.
    upper, work = f"{scratch}/var-upper", f"{scratch}/var-work"
    os.mkdir(upper)
    os.mkdir(work)
    options = f"lowerdir=/var,upperdir={upper},workdir={work}"
    _run("mount", "-t", "overlay", "-o", options, "overlay", "/var")
    for masked in spec["masked"]:
        Path(masked).mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", masked)
    # The kubelet needs a shared root: its mounts and those of pods must be visible to each other.
    _run("mount", "--make-rshared", "/")


def wait_for_network(spec: dict[str, Any]) -> None:
    """Wait until `lifecycle` has moved the node's end of the link in here, then set it up."""
    deadline = time.monotonic() + 10
    while not _has_link(spec):
        if time.monotonic() > deadline:
            sys.exit(f"the network device {spec['link']} did not arrive within 10 s")
        time.sleep(0.02)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "address", "add", spec["node_address"], "dev", spec["link"])
    _run("ip", "link", "set", spec["link"], "up")
    _run("ip", "route", "add", "default", "via", spec["host_address"])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _has_link(spec: dict[str, Any]) -> bool:
    return f"{spec['link']}:" in Path("/proc/self/net/dev").read_text()


def main() -> int:
    spec = json.loads(Path(sys.argv[1]).read_text())
    lock_fd, network_fd = int(sys.argv[2]), int(sys.argv[3])
    # This process holds the lock until it ends; a component must not inherit it and keep it longer.
    os.set_inheritable(lock_fd, False)
    mount(spec)
    wait_for_network(spec)
    return Supervisor(spec, network_fd).run()


if __name__ == "__main__":
    sys.exit(main())
