"""A folder for compiled kernels that outlives the pods of a GPU group (docs/adr/0025-gpu-image.md).

It is a folder of the claim, mounted by itself, so that the weights stay read-only in Ray pods.
"""

from infra.settings import StackSettings
from infra.settings.gpu_groups import GpuGroup
from infra.specs import Leaf, Spec, names, pod_parts

VARIABLE = "KERNEL_CACHE"
"""The same as `app.engine.kernels.FOLDER`."""
INIT_CONTAINER = "kernel-cache"


def used(settings: StackSettings) -> bool:
    """Whether workers get the folder. Replicas on the CPU compile no kernels that it could keep."""
    return settings.storage.kernel_cache and settings.image.device == "gpu"


def environment(settings: StackSettings) -> dict[str, str]:
    """The variable that names the folder to the service."""
    return {VARIABLE: names.KERNEL_CACHE_MOUNT} if used(settings) else {}


def mounts(settings: StackSettings, group: GpuGroup) -> list[Spec]:
    """The folder's mount, writable. One folder per RayCluster and group, because others may share
    the claim, and whoever writes there decides what the pods run."""
    if not used(settings):
        return []
    return [
        {
            "name": pod_parts.CACHE_VOLUME,
            "mountPath": names.KERNEL_CACHE_MOUNT,
            "subPath": _folder(settings, group),
        }
    ]


def init_containers(settings: StackSettings, group: GpuGroup, image: Leaf) -> Spec:
    """`initContainers` that make the folder, because kubelet would make it as root's, and writable
    to others only on volumes that support fsGroup. Where that fails, the service does without."""
    if not used(settings):
        return {}
    folder = f"{names.CACHE_MOUNT}/{_folder(settings, group)}"
    command = ["/bin/sh", "-c", 'mkdir -p "$0" || true', folder]
    mount = pod_parts.cache_mount(read_only=False)
    container = pod_parts.small_init_container(settings, INIT_CONTAINER, image, command, mount)
    return {"initContainers": [container]}


def _folder(settings: StackSettings, group: GpuGroup) -> str:
    return f"kernel-cache/{settings.ray.name}/{group.name}"
