"""Runs the model hub in the cluster, where pods reach it at http://hub.rayline-hub.svc:8080."""

import json
from typing import Any

from sandbox.cluster import bootstrap, manifests
from sandbox.cluster.kubectl import Kubectl
from toolchain.errors import CommandError

NAMESPACE = "rayline-hub"
NAME = "hub"
PORT = 8080
URL = f"http://{NAME}.{NAMESPACE}.svc:{PORT}"
TIMEOUT_SECONDS = 120.0
"""Enough for the first pull and start."""
HINT = f"See: kubectl -n {NAMESPACE} get pods,events"


def documents(image: str) -> list[dict[str, Any]]:
    """Namespace, Deployment and Service."""
    labels = {"app": NAME}
    container = {
        "name": NAME,
        "image": image,
        "ports": [{"containerPort": PORT, "name": "http"}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1},
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"memory": "128Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        manifests.deployment(
            NAME,
            NAMESPACE,
            labels,
            {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": {"runAsNonRoot": True, "runAsUser": 1000},
                "terminationGracePeriodSeconds": 1,
                "tolerations": [{"operator": "Exists"}],
                "containers": [container],
            },
        ),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels},
            "spec": {
                "selector": labels,
                "ports": [{"name": "http", "port": PORT, "targetPort": "http"}],
            },
        },
    ]


def ensure(kubectl: Kubectl, image: str) -> bool:
    """Apply the objects and wait, unless `image` already serves; True if anything was applied."""
    if _serves(kubectl, image):
        return False
    kubectl.apply(documents(image))
    bootstrap.wait(
        "the model hub to become Available",
        lambda: _serves(kubectl, image),
        TIMEOUT_SECONDS,
        HINT,
    )
    return True


def address(kubectl: Kubectl) -> str:
    """The address at which this machine reaches the hub; only pods know its name."""
    service = json.loads(kubectl.run("-n", NAMESPACE, "get", "service", NAME, "-o", "json"))
    return f"http://{service['spec']['clusterIP']}:{PORT}"


def _serves(kubectl: Kubectl, image: str) -> bool:
    """Whether the Deployment of this image is rolled out and available, with its Service."""
    try:
        text = kubectl.run("-n", NAMESPACE, "get", f"deployment/{NAME}", "-o", "json", timeout=5)
        kubectl.run("-n", NAMESPACE, "get", f"service/{NAME}", "-o", "name", timeout=5)
    except CommandError:
        return False
    deployment = json.loads(text)
    status = deployment["status"]
    return bool(
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] == image
        and status.get("observedGeneration") == deployment["metadata"]["generation"]
        and status.get("updatedReplicas") == status.get("availableReplicas") == 1
    )
