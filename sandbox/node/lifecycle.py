"""Starts and stops the node: the supervisor in its namespaces, and the host's end of the link."""

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
from sandbox.node import components, files, host, layout
from sandbox.settings import Settings
from toolchain import link_farm
from toolchain.errors import CommandError, UserError
from toolchain.paths import CHECKOUT, cache_root

SPEC = paths.STATE / "spec.json"
"""The supervisor's input, and the record of what the running node was started with."""

HOST_RUN = Path(str(layout.RUN))

LOCK = Path("/run/rayline.lock")
"""Outside the cache, because users with separate caches still share the machine's one sandbox."""


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Prevent two starts or stops of this checkout from running at the same time.

    The lock is on the checkout's folder itself, so no lock file remains and the kernel releases it.
    """
    descriptor = os.open(CHECKOUT, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                "Another `make sandbox` or `make sandbox-down` is at work in this checkout.",
                "Wait for it to finish, or interrupt it; then repeat this command.",
            ) from None
        yield
    finally:
        os.close(descriptor)


def owner() -> dict[str, Any] | None:
    """Who runs this machine's one sandbox: `{"checkout": ..., "pid": ...}`; None when nobody does.

    The supervisor holds the lock until it ends, so the answer is right even after a crash.
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
    """Whether the sandbox that `owner` returned belongs to this checkout."""
    return bool(holder["checkout"] == str(CHECKOUT))


def refuse_foreign() -> None:
    """Raise `UserError` when another checkout runs this machine's sandbox."""
    holder = owner()
    if holder and not is_ours(holder):
        raise _foreign(holder["checkout"])


def _foreign(checkout: str) -> UserError:
    return UserError(
        f"The checkout {checkout} runs a sandbox, and a machine can run only one.",
        f"Stop it first: make -C '{checkout}' sandbox-down",
    )


def spec(settings: Settings, tools: dict[str, Path]) -> dict[str, Any]:
    """The supervisor's input. It lists `tools` so that a change of binaries is detected."""
    stores = [str(cache_root() / name) for name in layout.STORES]
    return {
        "inside": {
            "state": str(layout.STATE),
            "logs": str(layout.LOGS),
            "scratch": str(layout.SCRATCH),
        },
        "binds": [
            [str(paths.STATE), str(layout.STATE)],
            *([store, str(layout.CACHE / Path(store).name)] for store in stores),
        ],
        "masked": list(layout.MASKED),
        "link": "node0",
        "node_address": f"{settings.node_address}/30",
        "host_address": str(settings.host_address),
        # None of the caller's variables: a token among them must not reach the node's processes.
        "environment": {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(layout.SCRATCH),
            "OTEL_TRACES_EXPORTER": "none",
        },
        "tools": {name: str(folder) for name, folder in tools.items()},
        "components": [asdict(c) for c in components.components(settings)],
    }


def write_files(settings: Settings, tools: dict[str, Path], pause_image: str) -> None:
    """Write certificates, configuration, links, kubeconfig and spec to the state folder."""
    state = paths.STATE
    for name in ("config", "logs", "volumes", "kubelet", "pod-logs", "etcd"):
        (state / name).mkdir(parents=True, exist_ok=True)
    state.chmod(0o700)
    (state / "etcd").chmod(0o700)
    for store in layout.STORES:
        (cache_root() / store).mkdir(parents=True, exist_ok=True)
    link_farm(tools, state / "bin")
    # Its import of cryptography takes 50 ms, which `make pulumi` would pay as well.
    from sandbox.node import pki

    pki.ensure(state / "pki", settings)
    for name, text in files.files(settings, pause_image).items():
        path = state / "config" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (state / "resolv.conf").write_text(host.resolv_conf())
    paths.KUBECONFIG.touch(mode=0o600)
    paths.KUBECONFIG.write_text(files.kubeconfig("admin", settings, str(state / "pki")))
    instance = paths.BUILDX / "instances" / layout.BUILDER
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
            raise _foreign((owner() or {"checkout": "?"})["checkout"]) from None
        yield descriptor
    finally:
        os.close(descriptor)


def start(settings: Settings) -> None:
    """Start the supervisor in its namespaces and connect them to the host.

    `write_files` comes first. Returns as soon as the link exists, long before the node is Ready.
    """
    procs = host.make_cgroups()
    HOST_RUN.mkdir(exist_ok=True)
    (paths.STATE / "components.json").unlink(missing_ok=True)
    with (
        _lock() as lock,
        open("/proc/self/ns/net") as network,
        open(paths.LOGS / "supervisor.log", "ab", buffering=0) as log,
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
            cwd=CHECKOUT,
            env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(CHECKOUT)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock, network.fileno()),
            start_new_session=True,
        )
        pid = _first_process(process)
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"checkout": str(CHECKOUT), "pid": pid}).encode(), 0)
        host.connect(settings, pid, paths.STATE)


def _first_process(unshare: "subprocess.Popen[bytes]") -> int:
    """The PID on the host of process 1 of the namespaces (the child of `unshare`)."""
    deadline = time.monotonic() + 10
    children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
    while time.monotonic() < deadline:
        if unshare.poll() is not None:
            break
        pids = children.read_text().split() if children.exists() else []
        if pids:
            return int(pids[0])
        time.sleep(0.01)
    raise CommandError(
        "The node's namespaces could not be created.", f"Log: {paths.LOGS / 'supervisor.log'}"
    )


def stop() -> None:
    """Stop the node and remove what it added to the host; works in any state."""
    holder = owner()
    if holder and holder["pid"]:
        _drain(holder["pid"])
    host.kill_all()
    host.disconnect(paths.STATE)
    host.remove_cgroups()
    for masked in layout.MASKED:  # the supervisor may have created them; the host's are not empty
        with contextlib.suppress(OSError):
            Path(masked).rmdir()
    _remove_run_folder()
    if owner() is None:
        LOCK.unlink(missing_ok=True)


def _remove_run_folder() -> None:
    """Remove only sockets, lock files and empty mount points; anything else may be the user's."""
    for folder, _, names in os.walk(HOST_RUN, topdown=False):
        for name in names:
            if (Path(folder) / name).is_socket() or name.endswith(".lock"):
                (Path(folder) / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _drain(pid: int) -> None:
    """Ask process 1 to end and wait for it; it limits itself to `supervisor.DRAIN`."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 15)
    deadline = time.monotonic() + 8
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def remove_state() -> None:
    """Delete the cluster's data; the logs of the last run stay, to explain a failure."""
    for entry in paths.STATE.iterdir() if paths.STATE.exists() else ():
        if entry == paths.LOGS:
            continue
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
