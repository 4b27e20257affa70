"""Start and stop of the node: namespaces around the supervisor, the host's side around those."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sandbox import paths
from sandbox.node import components, files, host, layout, pki
from sandbox.settings import Settings
from toolchain import link_farm
from toolchain.errors import CommandError, UserError
from toolchain.paths import cache_root

STATE = paths.STATE
SPEC = STATE / "spec.json"
KUBECONFIG = STATE / "kubeconfig"
BUILDX = STATE / "buildx"
HOST_RUN = Path(str(layout.RUN))


LOCK = Path("/run/rayline.lock")
"""Not in the cache: two users with a cache each still share the machine's one sandbox."""


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Keep a second start or stop of this checkout from working against the first.

    The lock is on the checkout's folder itself: no file is left, and the kernel frees it.
    """
    descriptor = os.open(paths.CHECKOUT, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                "Another `make sandbox` or `make sandbox-down` of this checkout is at work.",
                "Wait for it, or end it; then type this again.",
            ) from None
        yield
    finally:
        os.close(descriptor)


def owner() -> dict[str, Any] | None:
    """Who holds the machine's one sandbox: `{"checkout": ..., "pid": ...}`, None when nobody does.

    The supervisor holds the lock for as long as it lives, so this is true whatever was killed.
    """
    try:
        stream = LOCK.open("r")
    except FileNotFoundError:
        return None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = stream.read()
            return dict(json.loads(text)) if text else {"checkout": "?", "pid": 0}
    return None


def is_ours(holder: dict[str, Any]) -> bool:
    return bool(holder["checkout"] == str(paths.CHECKOUT))


def refuse_foreign(holder: dict[str, Any]) -> None:
    raise UserError(
        f"The checkout {holder['checkout']} runs a sandbox, and a machine has room for one.",
        f"Stop it first: make -C '{holder['checkout']}' sandbox-down",
    )


def spec(settings: Settings, tools: dict[str, Path]) -> dict[str, Any]:
    """What the supervisor is told, as JSON; `tools` is in it so that other binaries are noticed."""
    cache = cache_root()
    stores = [str(cache / name) for name in ("containerd", "buildkit", "registry")]
    return {
        "inside": {
            "state": str(layout.STATE),
            "logs": str(layout.LOGS),
            "scratch": str(layout.SCRATCH),
        },
        "binds": [
            [str(STATE), str(layout.STATE)],
            *([store, str(layout.CACHE / Path(store).name)] for store in stores),
        ],
        "masked": list(layout.MASKED),
        "link": "node0",
        "node_address": f"{settings.node_address}/30",
        "host_address": str(settings.host_address),
        # Nothing of the caller's environment: a token in it must not reach the node's processes.
        "environment": {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(layout.SCRATCH),
            "OTEL_TRACES_EXPORTER": "none",
        },
        "tools": {name: str(folder) for name, folder in tools.items()},
        "components": [asdict(c) for c in components.components(settings)],
    }


def write_files(settings: Settings, tools: dict[str, Path], pause_image: str) -> None:
    """Certificates, configuration, links, kubeconfig and spec, below the state folder."""
    for name in ("config", "logs", "volumes", "kubelet", "pod-logs", "etcd"):
        (STATE / name).mkdir(parents=True, exist_ok=True)
    STATE.chmod(0o700)
    (STATE / "etcd").chmod(0o700)
    for store in ("containerd", "buildkit", "registry"):
        (cache_root() / store).mkdir(parents=True, exist_ok=True)
    link_farm(tools, STATE / "bin")
    pki.ensure(STATE / "pki", settings)
    for name, text in files.files(settings, pause_image).items():
        path = STATE / "config" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (STATE / "resolv.conf").write_text(host.resolv_conf())
    KUBECONFIG.touch(mode=0o600)
    KUBECONFIG.write_text(files.kubeconfig("admin", "admin", settings, str(STATE / "pki")))
    instance = BUILDX / "instances" / layout.BUILDER
    instance.parent.mkdir(parents=True, exist_ok=True)
    instance.write_text(json.dumps(files.buildx_instance()))
    SPEC.write_text(json.dumps(spec(settings, tools), indent=2))


@contextlib.contextmanager
def _lock() -> Iterator[int]:
    descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            refuse_foreign(owner() or {"checkout": "?", "pid": 0})
        yield descriptor
    finally:
        os.close(descriptor)


def start(settings: Settings) -> None:
    """Start the supervisor in its namespaces and connect them to the host.

    The files must be written. Returns as soon as the link is there; nothing is Ready then.
    """
    procs = host.make_cgroups()
    HOST_RUN.mkdir(exist_ok=True)
    (STATE / "components.json").unlink(missing_ok=True)
    with (
        _lock() as lock,
        open("/proc/self/ns/net") as network,
        open(STATE / "logs" / "supervisor.log", "ab", buffering=0) as log,
    ):
        join = "; ".join(f'echo $$ > "{path}"' for path in procs)
        process = subprocess.Popen(
            [
                "/bin/sh",
                "-c",
                f'{join}; exec "$@"',
                "rayline-sandbox",
                *("unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork"),
                *("--kill-child=KILL", "--mount-proc"),
                *(sys.executable, "-P", "-m", "sandbox.node.supervisor"),
                *(str(SPEC), str(lock), str(network.fileno())),
            ],
            cwd=paths.CHECKOUT,
            env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(paths.CHECKOUT)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock, network.fileno()),
            start_new_session=True,
        )
        pid = _first_process(process)
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"checkout": str(paths.CHECKOUT), "pid": pid}).encode(), 0)
        host.connect(settings, pid, STATE)


def _first_process(unshare: "subprocess.Popen[bytes]") -> int:
    """The host's PID of process 1 of the namespaces (the child of `unshare`)."""
    deadline = time.monotonic() + 10
    children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
    while time.monotonic() < deadline:
        if unshare.poll() is not None:
            break
        found = children.read_text().split() if children.exists() else []
        if found:
            return int(found[0])
        time.sleep(0.01)
    raise CommandError(
        "The node's namespaces could not be made.", f"See {STATE / 'logs' / 'supervisor.log'}"
    )


def stop() -> None:
    """End the node and remove what it added to the host; works in any state."""
    holder = owner()
    if holder and holder["pid"]:
        _drain(holder["pid"])
    host.kill_all()
    host.disconnect(STATE)
    host.remove_cgroups()
    for masked in layout.MASKED:  # made for us by the supervisor; the host's own are not empty
        with contextlib.suppress(OSError):
            Path(masked).rmdir()
    _remove_run_folder()
    if owner() is None:
        LOCK.unlink(missing_ok=True)


def _remove_run_folder() -> None:
    """Sockets and empty mount points only: a folder with content in it is somebody's, and stays."""
    for folder, _, names in os.walk(HOST_RUN, topdown=False):
        for name in names:
            if (Path(folder) / name).is_socket() or name.endswith(".lock"):
                (Path(folder) / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _drain(pid: int) -> None:
    """Ask process 1 to end, and wait until it has (its own limit is `supervisor.DRAIN`)."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 15)
    deadline = time.monotonic() + 8
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def remove_state() -> None:
    """Delete the cluster's data; the logs of the last run stay for whoever asks why it failed."""
    for entry in STATE.iterdir() if STATE.exists() else ():
        if entry.name == "logs":
            continue
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
