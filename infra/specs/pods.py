"""Pod templates of head and workers, and the parameters of `ray start`.

Based on KubeRay 1.6.2, ray-operator/controllers/ray/common/pod.go, which adds the following by
itself: the command, RAY_ADDRESS, RAY_AUTH_MODE (of `authOptions`; ray_token has the token), the
init container that waits for the head, /dev/shm of the head, and the probes. From Ray 2.53 on,
the probes request /api/healthz of the dashboard's agent (port 52365) over HTTP, which reports the
health of the raylet and, on the head, of the GCS. The image needs no program such as wget.
"""

import json
import math

from infra.settings import StackSettings
from infra.settings.framework.quantities import amount
from infra.settings.gpu_groups import GpuGroup
from infra.settings.ray import Head
from infra.specs import (
    Leaf,
    Spec,
    control_store,
    kernel_cache,
    monitoring,
    names,
    pod_parts,
    ray_token,
    restore,
    worker_lifecycle,
)

# A node that may run a model offers its group's name as a Ray resource. app/engine/placement.py
# requests 0.001 of it per process, so that only the GPUs limit how many fit.
GROUP_RESOURCE = 1000
# What every worker offers and the head does not; the same as in app/proxies.py. No group can have
# this name, because of the underscore.
WORKER_RESOURCE = "rayline_worker"
# Time in addition to the streams themselves: the start of `ray drain-node`, Serve's own margin
# (5 s), and the shutdown of Ray.
STOP_MARGIN_SECONDS = 60
# The grace period is part of the template. Large steps keep it the same when a model with another
# drain time is swapped in, so that a swap replaces no pod.
GRACE_STEP_SECONDS = 300
# No request leads to the head, so there is nothing to wait for. All the same, Ray drains it for as
# long as this (RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S in ray/_private/ray_constants.py).
HEAD_GRACE_SECONDS = 30
# Ray refuses smaller stores: OBJECT_STORE_MINIMUM_MEMORY_BYTES, ray/_private/ray_constants.py.
MINIMUM_OBJECT_STORE_BYTES = 75 * 1024 * 1024

# rayline's image sets HF_HOME too, but a prebuilt image may not. HF_MODULES_CACHE: Transformers
# writes the code of a model that brings its own, and the cache is read-only.
COMMON_ENV = {"HF_HOME": names.CACHE_MOUNT, "HF_MODULES_CACHE": "/tmp/hf-modules"}


def head_template(settings: StackSettings, image: Leaf) -> Spec:
    """Pod template of the head, without the hash annotation."""
    head = settings.ray.head
    env = pod_parts.environment(
        COMMON_ENV,
        ray_token.environment(),
        monitoring.head_environment(settings),
        control_store.head_environment(settings),
        settings.ray.env,
        settings.ray.secret_env,
        head.env,
        head.secret_env,
    )
    container = {
        **_container(
            settings,
            image,
            names.HEAD_CONTAINER,
            [*control_store.first_variables(settings), *env],
        ),
        "resources": {
            "requests": pod_parts.amounts(head.requests),
            "limits": pod_parts.amounts(head.limits),
        },
        "ports": [
            {"name": "gcs-server", "containerPort": names.GCS_PORT},
            {"name": "dashboard", "containerPort": names.DASHBOARD_PORT},
            {"name": "client", "containerPort": names.CLIENT_PORT},
            *_ports(settings),
        ],
        "volumeMounts": [*_mounts(), *control_store.mounts(settings)],
    }
    component = head.labels.get(names.COMPONENT_LABEL, names.HEAD_COMPONENT)
    return {
        "metadata": _metadata(settings, {names.COMPONENT_LABEL: component, **head.labels}),
        "spec": {
            **_pod(settings),
            **control_store.init_containers(settings, image),
            "containers": [container, *restore.containers(settings, image)],
            "volumes": [
                *_volumes(settings),
                *control_store.volumes(settings),
                *restore.volumes(settings),
            ],
            "affinity": {"podAntiAffinity": pod_parts.one_per_node(component)},
            **_placement(head.node_selector, pod_parts.tolerations(head.tolerations)),
            **_classes(head),
            "terminationGracePeriodSeconds": HEAD_GRACE_SECONDS,
        },
    }


def worker_template(settings: StackSettings, group: GpuGroup, image: Leaf) -> Spec:
    """Pod template of a group's workers, without the hash annotation. It depends neither on their
    number nor on other groups."""
    env = pod_parts.environment(
        COMMON_ENV,
        ray_token.environment(),
        {"HF_HUB_OFFLINE": "1"},
        kernel_cache.environment(settings),
        control_store.worker_environment(settings),
        settings.ray.env,
        settings.ray.secret_env,
        group.env,
        group.secret_env,
    )
    cards = {group.gpu.resource: group.gpu.count}
    container = {
        **_container(settings, image, names.WORKER_CONTAINER, env),
        "resources": {
            "requests": pod_parts.amounts(group.requests, cards),
            "limits": pod_parts.amounts(group.limits, cards),
        },
        "ports": _ports(settings),
        "volumeMounts": [
            *_mounts(),
            *kernel_cache.mounts(settings, group),
            {"name": pod_parts.SHM_VOLUME, "mountPath": "/dev/shm"},
            # Never subPath: kubelet updates files in running pods only if the folder is mounted.
            {"name": pod_parts.AUTH_VOLUME, "mountPath": names.AUTH_MOUNT, "readOnly": True},
        ],
        **worker_lifecycle.probes(settings),
        **worker_lifecycle.drain(),
    }
    container["env"] = [
        {"name": "MY_POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        *env,
    ]
    component = names.component(group)
    nodes = pod_parts.group_nodes(group)
    selector: dict[str, str] = nodes.get("nodeSelector", {})
    affinity: Spec = dict(nodes.get("affinity", {}))
    if group.spread:
        affinity["podAntiAffinity"] = pod_parts.one_per_node(component)
    return {
        "metadata": _metadata(settings, {names.COMPONENT_LABEL: component, **group.labels}),
        "spec": {
            **_pod(settings),
            **kernel_cache.init_containers(settings, group, image),
            "containers": [container],
            "volumes": [
                *_volumes(settings),
                {
                    "name": pod_parts.SHM_VOLUME,
                    "emptyDir": {"medium": "Memory", "sizeLimit": group.shared_memory},
                },
                {
                    "name": pod_parts.AUTH_VOLUME,
                    "secret": {
                        "secretName": settings.auth.secret_name,
                        "defaultMode": pod_parts.SECRET_FILE_MODE,
                    },
                },
            ],
            **({"affinity": affinity} if affinity else {}),
            **_placement(selector, pod_parts.tolerations(group.tolerations)),
            **_classes(group),
            "terminationGracePeriodSeconds": grace_seconds(settings, group),
        },
    }


def head_start_params(settings: StackSettings) -> dict[str, str]:
    """Parameters of `ray start` on the head. With num-cpus 0, no replica is ever placed there."""
    return {
        "dashboard-host": "0.0.0.0",
        "num-cpus": "0",
        "num-gpus": "0",
        "metrics-export-port": str(settings.ray.metrics_port),
    }


def worker_start_params(settings: StackSettings, group: GpuGroup) -> dict[str, str]:
    """Parameters of `ray start` on a worker; KubeRay derives num-cpus and memory from the limits of
    the container.

    The values become part of a bash command line, which expands $MY_POD_IP. Single quotes protect
    the JSON; KubeRay trims them before it parses the value (getResourcesMap). num-gpus is explicit
    because KubeRay only knows resources whose names end with `gpu`; it is 0 with vLLM for the CPU,
    whose processes never request one.
    """
    gpus = 0 if settings.image.device == "cpu" else group.gpu.count
    # Ray's default, 30 % of the memory, may not fit into /dev/shm; Ray would then use the disk.
    store = max(math.floor(amount(group.shared_memory)) // 2, MINIMUM_OBJECT_STORE_BYTES)
    offered = (group.name, WORKER_RESOURCE)
    return {
        "node-ip-address": "$MY_POD_IP",
        "num-gpus": str(gpus),
        "object-store-memory": str(store),
        "resources": f"'{json.dumps(dict.fromkeys(offered, GROUP_RESOURCE))}'",
        "metrics-export-port": str(settings.ray.metrics_port),
    }


def grace_seconds(settings: StackSettings, group: GpuGroup) -> int:
    """Time for a worker to stop: the longest drain time of its models plus a margin, rounded up."""
    drains = [model.drain_seconds for model in settings.models if model.gpu_group == group.name]
    needed = max(drains, default=0) + STOP_MARGIN_SECONDS
    return -(-needed // GRACE_STEP_SECONDS) * GRACE_STEP_SECONDS


def _container(settings: StackSettings, image: Leaf, name: str, env: list[Spec]) -> Spec:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": settings.image.pull_policy,
        "env": env,
        "securityContext": pod_parts.container_security(),
    }


def _metadata(settings: StackSettings, labels: dict[str, str]) -> Spec:
    own = {**monitoring.pod_labels(settings), **settings.ray.labels}
    annotations = {**monitoring.pod_annotations(settings), **settings.ray.annotations}
    return {
        "labels": {**own, **labels, **names.managed_labels(settings)},
        **({"annotations": annotations} if annotations else {}),
    }


def _pod(settings: StackSettings) -> Spec:
    """No API token, because nothing in a Ray pod calls the API server. No service links, because
    they are variables such as RAYLINE_PORT, which programs may mistake for settings. One process
    namespace for the pod, so that its process 1 is Kubernetes' own, which reaps: `ray start` leaves
    two to three zombies for each replica that is replaced (docs/adr/0037-ends.md)."""
    return {
        "serviceAccountName": names.service_account(settings),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": True,
        "securityContext": pod_parts.pod_security(),
        **pod_parts.pull_secrets(settings),
    }


def _ports(settings: StackSettings) -> list[Spec]:
    """KubeRay expects these names: one for Prometheus, one for the Service of a RayService."""
    return [
        {"name": "metrics", "containerPort": settings.ray.metrics_port},
        {"name": names.SERVE_PORT_NAME, "containerPort": settings.serve.port},
    ]


def _mounts() -> list[Spec]:
    return [
        pod_parts.cache_mount(read_only=True),
        {"name": pod_parts.LOG_VOLUME, "mountPath": "/tmp/ray"},
        ray_token.mount(),
    ]


def _volumes(settings: StackSettings) -> list[Spec]:
    return [
        pod_parts.cache_volume(settings),
        {"name": pod_parts.LOG_VOLUME, "emptyDir": {}},
        ray_token.volume(settings),
    ]


def _placement(selector: dict[str, str], accepted: list[Spec]) -> Spec:
    return {
        **({"nodeSelector": selector} if selector else {}),
        **({"tolerations": accepted} if accepted else {}),
    }


def _classes(owner: Head | GpuGroup) -> Spec:
    wanted = {
        "runtimeClassName": owner.runtime_class_name,
        "priorityClassName": owner.priority_class_name,
    }
    return {name: value for name, value in wanted.items() if value is not None}
