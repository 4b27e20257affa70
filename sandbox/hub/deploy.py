"""The hub in the cluster: http://hub.rayline-hub.svc:8080 for pods."""

import json
from typing import Any

from sandbox.cluster import bootstrap
from sandbox.cluster.kubectl import Kubectl
from toolchain.errors import CommandError

NAMESPACE = "rayline-hub"
NAME = "hub"
PORT = 8080
URL = f"http://{NAME}.{NAMESPACE}.svc:{PORT}"
SECONDS = 120.0
"""For the first pull and start."""


def documents(image: str) -> list[dict[str, Any]]:
    """Namespace, Deployment and Service."""
    metadata = {"name": NAME, "namespace": NAMESPACE}
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
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "automountServiceAccountToken": False,
                        "enableServiceLinks": False,
                        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000},
                        "terminationGracePeriodSeconds": 1,
                        "tolerations": [{"operator": "Exists"}],
                        "containers": [container],
                    },
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "selector": labels,
                "ports": [{"name": "http", "port": PORT, "targetPort": "http"}],
            },
        },
    ]


def ensure(kubectl: Kubectl, image: str, hint: str) -> bool:
    """Apply the objects unless `image` serves already, and wait for it; True when it did not."""
    if _serves(kubectl, image):
        return False
    kubectl.apply(documents(image))
    bootstrap.wait("The hub's becoming Available", lambda: _serves(kubectl, image), SECONDS, hint)
    return True


def address(kubectl: Kubectl) -> str:
    """Where this machine reaches it; the name is for pods only."""
    service = json.loads(kubectl.run("-n", NAMESPACE, "get", "service", NAME, "-o", "json"))
    return f"http://{service['spec']['clusterIP']}:{PORT}"


def _serves(kubectl: Kubectl, image: str) -> bool:
    """Is the Deployment of this image there, rolled out and available, with its Service?"""
    try:
        text = kubectl.run("-n", NAMESPACE, "get", f"deployment/{NAME}", "-o", "json", timeout=5)
        kubectl.run("-n", NAMESPACE, "get", f"service/{NAME}", "-o", "name", timeout=5)
    except CommandError:
        return False
    found = json.loads(text)
    status = found["status"]
    return bool(
        found["spec"]["template"]["spec"]["containers"][0]["image"] == image
        and status.get("observedGeneration") == found["metadata"]["generation"]
        and status.get("updatedReplicas") == status.get("availableReplicas") == 1
    )
