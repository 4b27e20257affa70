"""What pods of Ray and download Jobs share: who they run as, what they mount, where they go."""

import math
from collections.abc import Iterable, Mapping

from infra.settings import StackSettings
from infra.settings.base import Resources, Toleration
from infra.specs import Spec, names

# The user of rayproject/ray: `ray`, group `users`.
USER_ID, GROUP_ID = 1000, 100
SECRET_FILE_MODE = 0o440
"""Secret files belong to root and to the pod's fsGroup, so the group must be able to read them."""

CACHE_VOLUME, AUTH_VOLUME, LOG_VOLUME, SHM_VOLUME = "model-cache", "auth", "ray-logs", "shared-mem"
HUB_TOKEN_VOLUME = "hub-token"


def pod_security() -> Spec:
    """Of a pod. OnRootMismatch: the owner of a large cache is looked at once, not file by file at
    every start (https://kubernetes.io/docs/tasks/configure-pod-container/security-context/)."""
    return {
        "runAsUser": USER_ID,
        "runAsGroup": GROUP_ID,
        "runAsNonRoot": True,
        "fsGroup": GROUP_ID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Spec:
    """Of a container; KubeRay gives its init container `wait-gcs-ready` a copy."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def environment(*layers: Mapping[str, str]) -> list[Spec]:
    """Kubernetes' list from layers of variables, sorted by name; a later layer wins."""
    merged: dict[str, str] = {}
    for layer in layers:
        merged |= layer
    return [{"name": name, "value": merged[name]} for name in sorted(merged)]


def amounts(resources: Resources, extended: Mapping[str, int] | None = None) -> Spec:
    """`limits` or `requests`: CPU, memory, and counts of extended resources such as GPUs."""
    counts = {name: str(count) for name, count in (extended or {}).items() if count}
    return {"cpu": resources.cpu, "memory": resources.memory, **counts}


def tolerations(accepted: Iterable[Toleration]) -> list[Spec]:
    """`operator: Equal` with a value, `Exists` without one."""
    return [
        {"key": one.key, "operator": "Exists", "effect": one.effect}
        if one.value is None
        else {"key": one.key, "operator": "Equal", "value": one.value, "effect": one.effect}
        for one in accepted
    ]


def one_a_node(component: str) -> Spec:
    """Pod anti-affinity: no two pods with that value of the component label on a node."""
    return {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {
                "labelSelector": {
                    "matchExpressions": [
                        {"key": names.COMPONENT_LABEL, "operator": "In", "values": [component]}
                    ]
                },
                "topologyKey": "kubernetes.io/hostname",
            }
        ]
    }


def on_nodes(label: str, value: str) -> Spec:
    """Node affinity: only nodes with that label."""
    return {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": label, "operator": "In", "values": [value]}]}
            ]
        }
    }


def cache_volume(settings: StackSettings) -> Spec:
    return {
        "name": CACHE_VOLUME,
        "persistentVolumeClaim": {"claimName": settings.storage.claim},
    }


def cache_mount(*, read_only: bool) -> Spec:
    mount: Spec = {"name": CACHE_VOLUME, "mountPath": names.CACHE_MOUNT}
    return {**mount, "readOnly": True} if read_only else mount


def pull_secrets(settings: StackSettings) -> Spec:
    """`imagePullSecrets`, or nothing."""
    secret = settings.image.pull_secret
    return {"imagePullSecrets": [{"name": secret}]} if secret else {}


_UNITS: Mapping[str, float] = {
    "": 1,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}


def number_of_bytes(quantity: str) -> int:
    """Bytes of a `Quantity` such as 8Gi, rounded down."""
    digits = quantity.rstrip("kKMGTim")
    return math.floor(float(digits) * _UNITS[quantity[len(digits) :]])
