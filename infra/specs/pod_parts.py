"""What Ray pods and the pods of download Jobs share: user, mounts, placement."""

from collections.abc import Iterable, Mapping

from infra.settings import StackSettings
from infra.settings.framework.base import Resources, Toleration
from infra.settings.framework.pods import SecretKeyRef
from infra.settings.gpu_groups import GpuGroup
from infra.specs import Leaf, Spec, names

# The user of the image rayproject/ray: `ray`, group `users`.
USER_ID, GROUP_ID = 1000, 100
SECRET_FILE_MODE = 0o440
"""Secret files are owned by root and the pod's fsGroup, so the group must be able to read them."""

CACHE_VOLUME, AUTH_VOLUME, LOG_VOLUME, SHM_VOLUME = "model-cache", "auth", "ray-logs", "shared-mem"
HUB_TOKEN_VOLUME = "hub-token"


def pod_security() -> Spec:
    """The security context of a pod. With OnRootMismatch, kubelet checks the owner of the cache's
    top folder only, not of every file at every start (
    https://kubernetes.io/docs/tasks/configure-pod-container/security-context/)."""
    return {
        "runAsUser": USER_ID,
        "runAsGroup": GROUP_ID,
        "runAsNonRoot": True,
        "fsGroup": GROUP_ID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Spec:
    """The security context of a container; KubeRay copies it to its init container
    `wait-gcs-ready`."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def environment(*layers: Mapping[str, str | SecretKeyRef]) -> list[Spec]:
    """Layers of variables as a list for Kubernetes, sorted by name; later layers win."""
    merged: dict[str, str | SecretKeyRef] = {}
    for layer in layers:
        merged |= layer
    return [{"name": name, **_source(merged[name])} for name in sorted(merged)]


def _source(value: str | SecretKeyRef) -> Spec:
    if isinstance(value, str):
        # Go programs such as KubeRay leave an empty value out when they write an object, which the
        # next `up` would take for a change. The variable is empty either way.
        return {"value": value} if value else {}
    return {"valueFrom": {"secretKeyRef": {"name": value.secret, "key": value.key}}}


def amounts(resources: Resources, extended: Mapping[str, int] | None = None) -> Spec:
    """`limits` or `requests`: CPU, memory, and counts of extended resources such as GPUs."""
    counts = {name: str(count) for name, count in (extended or {}).items() if count}
    return {"cpu": resources.cpu, "memory": resources.memory, **counts}


def tolerations(accepted: Iterable[Toleration]) -> list[Spec]:
    """Tolerations for Kubernetes: `operator: Equal` with a value, `Exists` without one."""
    return [
        {"key": each.key, "operator": "Exists", "effect": each.effect}
        if each.value is None
        else {"key": each.key, "operator": "Equal", "value": each.value, "effect": each.effect}
        for each in accepted
    ]


def one_per_node(component: str) -> Spec:
    """Pod anti-affinity: at most one pod with that value of the component label per node."""
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
    """Node affinity: only nodes with that label and value."""
    return {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": label, "operator": "In", "values": [value]}]}
            ]
        }
    }


def group_nodes(group: GpuGroup) -> Spec:
    """Node selector and affinity of a group's nodes, as far as they are configured."""
    selector = dict(group.node_selector)
    spec: Spec = {}
    if group.node_group is not None:
        selector = {group.node_group_label: group.node_group, **selector}
        spec["affinity"] = {"nodeAffinity": on_nodes(group.node_group_label, group.node_group)}
    return {**spec, **({"nodeSelector": selector} if selector else {})}


def cache_volume(settings: StackSettings) -> Spec:
    """The volume of the model cache, from its claim."""
    return {
        "name": CACHE_VOLUME,
        "persistentVolumeClaim": {"claimName": settings.storage.claim},
    }


def cache_mount(*, read_only: bool) -> Spec:
    """The mount of the model cache at `names.CACHE_MOUNT`."""
    mount: Spec = {"name": CACHE_VOLUME, "mountPath": names.CACHE_MOUNT}
    return {**mount, "readOnly": True} if read_only else mount


def pull_secrets(settings: StackSettings) -> Spec:
    """`imagePullSecrets` of pods and of their service account; empty if none is configured."""
    image = settings.image
    wanted = [
        *([image.pull_secret] if image.pull_secret else []),
        *image.pull_secrets,
        *([names.created_pull_secret(settings)] if image.create_pull_secret else []),
    ]
    return (
        {"imagePullSecrets": [{"name": name} for name in dict.fromkeys(wanted)]} if wanted else {}
    )


def small_init_container(
    settings: StackSettings, name: str, image: Leaf, command: list[str], mount: Spec
) -> Spec:
    """An init container that prepares a folder, as the user of the pod."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": settings.image.pull_policy,
        "command": command,
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"cpu": "1", "memory": "256Mi"},
        },
        "securityContext": container_security(),
        "volumeMounts": [mount],
    }
