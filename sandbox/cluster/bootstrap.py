"""Bring a started node to Ready, with DNS, storage and GPUs. May run again at any time."""

import json
import time
from collections.abc import Callable

from sandbox.cluster import manifests
from sandbox.cluster.kubectl import Kubectl
from sandbox.node import layout
from sandbox.settings import Settings
from toolchain.errors import CommandError


def wait(what: str, done: Callable[[], bool], timeout: float, hint: str) -> None:
    """Ask `done` until it says yes or `timeout` seconds are over; its errors count as no."""
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
            raise CommandError(f"{what} did not happen within {timeout:.0f} s.{reason}", hint)
        time.sleep(0.2)


def api_ready(kubectl: Kubectl) -> bool:
    return kubectl.run("get", "--raw", "/readyz", timeout=5) == "ok"


def node_ready(kubectl: Kubectl) -> bool:
    node = json.loads(kubectl.run("get", "node", layout.NODE_NAME, "-o", "json", timeout=5))
    conditions = {c["type"]: c["status"] for c in node["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def gpus_advertised(kubectl: Kubectl, settings: Settings) -> bool:
    node = json.loads(kubectl.run("get", "node", layout.NODE_NAME, "-o", "json", timeout=5))
    return bool(
        node["status"].get("allocatable", {}).get("nvidia.com/gpu", "0") == str(settings.gpus)
    )


def dns_available(kubectl: Kubectl) -> bool:
    text = kubectl.run("-n", "kube-system", "get", "deployment", "coredns", "-o", "json", timeout=5)
    return bool(json.loads(text)["status"].get("availableReplicas", 0) >= 1)


def apply(kubectl: Kubectl, settings: Settings, dns_image: str) -> None:
    """Apply the manifests and advertise the GPUs. The API server and the node must be there."""
    kubectl.apply(manifests.documents(settings, dns_image))
    kubectl.run(
        "patch",
        "node",
        layout.NODE_NAME,
        "--subresource=status",
        "--type=merge",
        f"--patch={json.dumps(manifests.node_status_patch(settings))}",
    )
