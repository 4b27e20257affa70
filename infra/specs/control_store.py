"""Ray's control store in a folder of a claim, so that a new head continues where the last one ended
(docs/adr/0034-the-head-may-die.md).

The store is an embedded RocksDB, which one process may open at a time. Ray takes the cluster's
session from it and believes what it says about nodes and actors (ray/_private/node.py). So there is
one folder per RayCluster, whose name is unique among those of a RayService too; per version of
Ray, which promises nothing about the stores of another one; and per token of Ray, because a head
with another token than the pods in its store is refused by them and starts no application.
"""

from infra.settings import StackSettings
from infra.specs import Leaf, Spec, names, pod_parts

MINIMUM_RAY = "2.57.0"
"""The first version that has the embedded store: ray/_private/node.py of 2.56.1 does not know it.
https://github.com/ray-project/ray/pull/63657"""
RECONNECT_SECONDS = 600
"""How long workers go on without a head; KubeRay gives them the same with its own option
(https://github.com/ray-project/kuberay/blob/v1.6.2/ray-operator/controllers/ray/common/pod.go)."""
INIT_CONTAINER = "ray-store"
_VOLUME = "ray-store"
_FOLDER = "ray-store"
_CLUSTER = "RAYLINE_CLUSTER"
_TOKEN = "RAYLINE_RAY_TOKEN_VERSION"


def own_claim(settings: StackSettings) -> bool:
    """Whether the stack makes a claim for the store, which is deleted with the cluster."""
    wanted = settings.ray.fault_tolerance
    shared = settings.storage.existing and wanted.storage_class is None
    return wanted.enabled and wanted.existing_claim is None and not shared


def claim(settings: StackSettings) -> Spec:
    """The store's own PersistentVolumeClaim.

    The class of the model cache is known to work, and its volumes follow the head to any node at
    once. That of a block device does so only when it was detached from the last node.
    """
    wanted = settings.ray.fault_tolerance
    mode = "ReadWriteMany" if wanted.storage_class is None else "ReadWriteOnce"
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": names.metadata(settings, names.control_store(settings)),
        "spec": {
            "accessModes": [mode],
            "storageClassName": wanted.storage_class or settings.storage.storage_class,
            "resources": {"requests": {"storage": wanted.size}},
        },
    }


def worker_environment(settings: StackSettings) -> dict[str, str]:
    """The variable with which workers wait for the next head."""
    if not settings.ray.fault_tolerance.enabled:
        return {}
    return {"RAY_gcs_rpc_server_reconnect_timeout_s": str(RECONNECT_SECONDS)}


def head_environment(settings: StackSettings) -> dict[str, str]:
    """The variables that name the store to Ray."""
    if not settings.ray.fault_tolerance.enabled:
        return {}
    folder = f"$({_CLUSTER})-{settings.ray.version}-$({_TOKEN})"
    return {
        "RAY_gcs_storage": "rocksdb",
        "RAY_gcs_storage_path": f"{names.CONTROL_STORE_MOUNT}/{folder}",
    }


def first_variables(settings: StackSettings) -> list[Spec]:
    """What `head_environment` refers to, so it precedes it. KubeRay sets a variable with that value
    too, but after all others, where no other can refer to it."""
    if not settings.ray.fault_tolerance.enabled:
        return []
    fields = {
        _CLUSTER: f"metadata.labels['{names.CLUSTER_LABEL}']",
        _TOKEN: f"metadata.annotations['{names.RAY_TOKEN_ANNOTATION}']",
    }
    return [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in fields.items()
    ]


def annotations(settings: StackSettings, token_version: Leaf) -> dict[str, Leaf]:
    """The head's annotation that `first_variables` reads; `token_version` is a string."""
    if not settings.ray.fault_tolerance.enabled:
        return {}
    return {names.RAY_TOKEN_ANNOTATION: token_version}


def mounts(settings: StackSettings) -> list[Spec]:
    """The store's mount in the head; of a claim with other content only the folder."""
    if not settings.ray.fault_tolerance.enabled:
        return []
    mount: Spec = {"name": _VOLUME, "mountPath": names.CONTROL_STORE_MOUNT}
    return [mount if own_claim(settings) else {**mount, "subPath": _FOLDER}]


def volumes(settings: StackSettings) -> list[Spec]:
    """The store's volume in the head."""
    wanted = settings.ray.fault_tolerance
    if not wanted.enabled:
        return []
    name = names.control_store(settings)
    if not own_claim(settings):
        name = wanted.existing_claim or settings.storage.claim
    return [{"name": _VOLUME, "persistentVolumeClaim": {"claimName": name}}]


def init_containers(settings: StackSettings, image: Leaf) -> Spec:
    """`initContainers` that make the folder in a claim with other content, because kubelet would
    make it as root's."""
    if not settings.ray.fault_tolerance.enabled or own_claim(settings):
        return {}
    mount = {"name": _VOLUME, "mountPath": names.CONTROL_STORE_MOUNT}
    folder = f"{names.CONTROL_STORE_MOUNT}/{_FOLDER}"
    command = ["/bin/sh", "-c", 'mkdir -p "$0"', folder]
    made = pod_parts.small_init_container(settings, INIT_CONTAINER, image, command, mount)
    return {"initContainers": [made]}
