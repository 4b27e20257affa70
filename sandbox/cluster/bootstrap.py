"""Brings a started node to Ready, with DNS, storage and GPUs; may run again at any time."""

import json
import time
from collections.abc import Callable
from typing import Any

from sandbox.cluster import manifests
from sandbox.cluster.kubectl import Kubectl
from sandbox.node import layout
from sandbox.settings import Settings
from toolchain.errors import CommandError


def wait(goal: str, done: Callable[[], bool], timeout: float, hint: str) -> None:
    """Call `done` until it returns True; a `CommandError` counts as False.

    Raises `CommandError` after `timeout` seconds: "Timed out after 60 s while waiting for {goal}."
    """
    deadline = time.monotonic() + timeout
    last: CommandError | None = None
    while True:
        try:
            if done():
                return
            last = None
        except CommandError as error:
            last = error
        if time.monotonic() > deadline:
            reason = f" {last.message}" if last else ""
            raise CommandError(
                f"Timed out after {timeout:.0f} s while waiting for {goal}.{reason}", hint
            )
        time.sleep(0.2)


def api_ready(kubectl: Kubectl) -> bool:
    """Whether the API server reports that it is ready."""
    return kubectl.run("get", "--raw", "/readyz", timeout=5) == "ok"


def node_ready(kubectl: Kubectl) -> bool:
    """Whether the node has the condition Ready."""
    conditions = {c["type"]: c["status"] for c in _node_status(kubectl).get("conditions", [])}
    return conditions.get("Ready") == "True"


def gpus_advertised(kubectl: Kubectl, settings: Settings) -> bool:
    """Whether the node offers as many GPUs as the settings require."""
    allocatable = _node_status(kubectl).get("allocatable", {})
    return bool(allocatable.get("nvidia.com/gpu", "0") == str(settings.gpus))


def _node_status(kubectl: Kubectl) -> dict[str, Any]:
    node = json.loads(kubectl.run("get", "node", layout.NODE_NAME, "-o", "json", timeout=5))
    return dict(node["status"])


def dns_available(kubectl: Kubectl) -> bool:
    """Whether a pod of CoreDNS is available."""
    text = kubectl.run("-n", "kube-system", "get", "deployment", "coredns", "-o", "json", timeout=5)
    return bool(json.loads(text)["status"].get("availableReplicas", 0) >= 1)


def apply(kubectl: Kubectl, settings: Settings, dns_image: str) -> None:
    """Apply the manifests and advertise the GPUs; the API server and the node must exist."""
    kubectl.apply(manifests.documents(settings, dns_image))
    kubectl.run(
        "patch",
        "node",
        layout.NODE_NAME,
        "--subresource=status",
        "--type=merge",
        f"--patch={json.dumps(manifests.node_status_patch(settings))}",
    )
