"""The health of the node as seen from the host: one row per component."""

import contextlib
import json
import socket
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil

from sandbox import paths
from sandbox.node import components, host
from sandbox.settings import Settings

TIMEOUT = 2.0
"""Seconds that a component has to answer."""


@dataclass(frozen=True)
class Row:
    """One component. `health` is "ok" or the fault in words; `memory` is its RSS in bytes."""

    name: str
    health: str
    pid: int
    memory: int
    restarts: int
    address: str

    @property
    def ok(self) -> bool:
        return self.health == "ok"


def rows(settings: Settings) -> list[Row]:
    """Check every component. Quick when nothing runs."""
    known = _published()
    pids = _host_pids()
    return [_row(component, known, pids) for component in components.components(settings)]


def pid(name: str) -> int:
    """The PID of a component on the host, without asking for its health; 0 if it does not run."""
    return _host_pids().get(int(_published().get(name, {}).get("pid", 0)), 0)


def is_healthy(settings: Settings, name: str) -> bool:
    """Whether one component runs and answers."""
    (one,) = (c for c in components.components(settings) if c.name == name)
    return bool(pid(name)) and _check(one.health) == "ok"


def memory() -> int:
    """Resident memory of every process of the sandbox, pods included, in bytes.

    Shared pages count once per process, so this is an upper bound.
    """
    return sum(_rss(pid) for pid in host.processes())


def _published() -> dict[str, dict[str, int | str]]:
    try:
        text = (paths.STATE / "components.json").read_text()
    except FileNotFoundError:
        return {}
    return dict(json.loads(text))


def _host_pids() -> dict[int, int]:
    """PID inside the node's namespace to PID on the host, for its direct members."""
    pids = {}
    for pid in host.processes():
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("NSpid:"):
                    numbers = [int(n) for n in line.split()[1:]]
                    if len(numbers) == 2:  # a pod's processes may be nested deeper
                        pids[numbers[1]] = numbers[0]
    return pids


def _row(
    component: components.Component,
    known: dict[str, dict[str, int | str]],
    pids: dict[int, int],
) -> Row:
    state = known.get(component.name, {})
    pid = pids.get(int(state.get("pid", 0)), 0)
    if not pid:
        last = state.get("last_exit")
        health = f"not running ({last})" if last else "not running"
    else:
        health = _check(component.health)
    return Row(
        component.name,
        health,
        pid,
        _rss(pid) if pid else 0,
        int(state.get("restarts", 0)),
        component.address,
    )


def _rss(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _check(url: str) -> str:
    """Returns "ok", or the fault in words."""
    if not url:
        return "ok"
    try:
        if url.startswith("unix://"):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(TIMEOUT)
                probe.connect(url.removeprefix("unix://"))
            return "ok"
        with urllib.request.urlopen(url, timeout=TIMEOUT, context=_tls()) as answer:
            return "ok" if answer.status == 200 else f"HTTP {answer.status}"
    except urllib.error.HTTPError as error:
        error.close()
        return f"HTTP {error.code}"
    except OSError as error:
        reason = getattr(error, "reason", error)
        return f"no answer ({getattr(reason, 'strerror', None) or reason})"


def _tls() -> ssl.SSLContext:
    """TLS with our administrator's certificate, without verifying the server's.

    Scheduler and controller manager serve their health with self-signed certificates, and only a
    status is read.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    folder = paths.STATE / "pki"
    context.load_cert_chain(folder / "admin.crt", folder / "admin.key")
    return context


def is_running() -> bool:
    """Whether any process of the sandbox exists."""
    return bool(host.processes())


def name_of(pid: int) -> str:
    """The process's name, for error messages."""
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return "?"


def listeners(port: int) -> list[str]:
    """Processes of the host that listen on this TCP port, on a loopback or the any-address."""
    names = set()
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        if connection.laddr.port != port:
            continue
        if connection.laddr.ip in {"127.0.0.1", "0.0.0.0", "::", "::1"}:
            pid = connection.pid or 0
            names.add(f"{name_of(pid)} (PID {pid})" if pid else "a process")
    return sorted(names)
