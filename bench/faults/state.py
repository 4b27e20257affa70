"""What runs: pods of Ray and of the operator, processes in them, and components of the node."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bench.faults import processes
from sandbox.cluster.kubectl import Kubectl

NAMESPACE, OPERATOR_NAMESPACE = "kuberay-projects", "kuberay-system"
PODS = {
    "head's pod": (NAMESPACE, "ray.io/node-type=head"),
    "worker's pod": (NAMESPACE, "ray.io/node-type=worker"),
    "operator's pod": (OPERATOR_NAMESPACE, ""),
}
Identities = tuple[str, ...]


@dataclass(frozen=True)
class State:
    """Name of a part -> what identifies its present instances; a restart changes it."""

    parts: Mapping[str, Identities]
    ready: bool
    """Whether every pod is Ready."""

    def is_whole(self, before: "State") -> bool:
        """Whether everything is there again. Instances are not counted: a HAProxy that was reloaded
        keeps the process before for its open streams."""
        return self.ready and all(
            self.parts[name] or not known for name, known in before.parts.items()
        )

    def changed(self, before: "State") -> list[str]:
        """Parts that were replaced or restarted."""
        return [name for name, known in before.parts.items() if self.parts[name] != known]


def look(kubectl: Kubectl) -> State:
    """Needs the API server; `toolchain.errors.CommandError` without it."""
    parts: dict[str, Identities] = {}
    ready = True
    for name, (namespace, selector) in PODS.items():
        options = ("-l", selector) if selector else ()
        text = kubectl.run("-n", namespace, "get", "pods", *options, "-o", "json", timeout=10)
        found = [
            pod for pod in json.loads(text)["items"] if "deletionTimestamp" not in pod["metadata"]
        ]
        ready = ready and all(map(_is_ready, found))
        # Restarts are not a part of it: a container that restarts shows in its processes.
        parts[name] = tuple(sorted(pod["metadata"]["uid"] for pod in found))
    for name, running in (processes.in_pods() | processes.components()).items():
        parts[name] = tuple(sorted(f"{one.pid} {one.started}" for one in running))
    return State(parts, ready)


def _is_ready(pod: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in pod["status"].get("conditions", [])
    )


def worker_address(kubectl: Kubectl) -> str:
    """The proxy of the first worker."""
    text = kubectl.run("-n", NAMESPACE, "get", "pods", "-l", PODS["worker's pod"][1], "-o", "json")
    return f"http://{json.loads(text)['items'][0]['status']['podIP']}:8000"
