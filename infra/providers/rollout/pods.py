"""The parts of Ray pods that a rollout needs. Pure functions of the API server's JSON.

Labels: KubeRay's controllers/ray/common/pod.go, labelPod; constants in controllers/ray/utils.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.providers.common.pods import Trouble, state, trouble

TEMPLATE_HASH = "rayline.dev/template-hash"
"""The same as in infra.specs.names, which the plug-in must not import: it imports pydantic."""
CLUSTER_LABEL = "ray.io/cluster"
GROUP_LABEL = "ray.io/group"
TYPE_LABEL = "ray.io/node-type"
STORE_VOLUME = "ray-store"
"""The same as in infra.specs.control_store."""
RAY_TOKEN = "rayline.dev/ray-token-version"
"""The same as in infra.specs.names."""
HEAD, WORKER = "head", "worker"


@dataclass(frozen=True)
class Pod:
    """One pod of the RayCluster."""

    name: str
    group: str
    """The worker group's name, or `head` (whose label is `headgroup`); empty if it is neither."""
    hash: str
    """Hash of the template that it was made from; empty if the pod has none."""
    incarnation: str
    """UID of the pod, plus the restart count for the head, because a restarted head loses its Serve
    applications. What a restarted worker loses, Serve restores by itself."""
    ready: bool
    """Of a head, Kubernetes' own condition. A worker is Ready only once Serve runs a proxy there,
    which needs the applications of the same `up`, so its started container is enough."""
    deleting: bool
    state: str
    """What it is doing, for the user."""
    trouble: Trouble | None
    ended: bool
    """It never runs again: evicted, or refused by its node. KubeRay replaces it."""
    node: str
    """The node that runs it; empty before it has one."""
    grace_seconds: float
    """How long it may take to end, once it is being deleted."""
    store: str
    """Where it keeps Ray's control store; empty if in memory, or if it is a worker."""
    address: str
    """Its IP address; empty before it has one."""


def parse(item: Mapping[str, Any]) -> Pod:
    """A pod of the API server's list."""
    meta, status = item["metadata"], item.get("status") or {}
    labels = meta.get("labels") or {}
    found = trouble(status)
    head, worker = (labels.get(TYPE_LABEL) == kind for kind in (HEAD, WORKER))
    ready = is_ready(item) or (worker and _started(status))
    restarts = sum(int(c.get("restartCount", 0)) for c in status.get("containerStatuses") or [])
    uid = str(meta.get("uid", ""))
    return Pod(
        name=meta["name"],
        group=HEAD if head else labels.get(GROUP_LABEL, "") if worker else "",
        hash=(meta.get("annotations") or {}).get(TEMPLATE_HASH, ""),
        incarnation=f"{uid}/{restarts}" if head else uid,
        ready=ready,
        deleting=meta.get("deletionTimestamp") is not None,
        state="ready" if ready else found.kind if found else state(status),
        trouble=found,
        ended=status.get("phase") == "Failed",
        node=str((item.get("spec") or {}).get("nodeName") or ""),
        grace_seconds=float(meta.get("deletionGracePeriodSeconds") or 0),
        store=store(meta, item.get("spec") or {}),
        address=str(status.get("podIP") or ""),
    )


def is_ready(item: Mapping[str, Any]) -> bool:
    """Kubernetes' condition of a pod of the API server's list."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _started(status: Mapping[str, Any]) -> bool:
    """Whether the startup probes of all containers have succeeded."""
    containers = status.get("containerStatuses") or []
    return bool(containers) and all(each.get("started") for each in containers)


def store(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """Claim and folder of Ray's control store, from a pod or its template; empty if the store is in
    the pod's memory. The variables are Ray's (ray/_private/node.py). The folder's name contains the
    version of Ray's token, which is in an annotation."""
    containers = spec.get("containers") or [{}]
    env = {each["name"]: each.get("value", "") for each in containers[0].get("env") or []}
    if env.get("RAY_gcs_storage") != "rocksdb":
        return ""
    claims = [
        str((volume.get("persistentVolumeClaim") or {}).get("claimName", ""))
        for volume in spec.get("volumes") or []
        if volume.get("name") == STORE_VOLUME
    ]
    token = str((metadata.get("annotations") or {}).get(RAY_TOKEN, ""))
    return ":".join((*claims, env.get("RAY_gcs_storage_path", ""), token))


@dataclass(frozen=True)
class Observed:
    """The pods of a RayCluster at one moment, as the resource's outputs keep them."""

    hashes: dict[str, str]
    """For each group that should have pods, the hash that they run: several are joined by commas;
    empty without a pod."""
    incarnations: dict[str, list[str]]
    """For each of these groups, the incarnations of its pods, sorted."""
    outdated: list[str]
    """Names of the pods whose template is not that of their group, or whose group is gone."""


def gone(pods: Iterable[Pod], *groups: Container[str]) -> list[Pod]:
    """Workers of which none of `groups` has the group, and that are not being deleted. KubeRay
    leaves them running (raycluster_controller.go, reconcilePods, goes through the groups of the
    spec)."""
    return [
        pod
        for pod in pods
        if pod.group not in ("", HEAD)
        and not pod.deleting
        and not any(pod.group in known for known in groups)
    ]


def observe(
    pods: Iterable[Pod], groups: Mapping[str, Mapping[str, Any]], made: Container[str]
) -> Observed:
    """Pods that are being deleted do not count, nor do those of a group that someone else has added
    to the RayCluster, whose groups are `made`."""
    pods = list(pods)
    present = [pod for pod in pods if not pod.deleting and pod.group in groups]
    wanted = {
        name: [pod for pod in present if pod.group == name]
        for name, group in groups.items()
        if group["replicas"]
    }
    return Observed(
        hashes={name: ",".join(sorted({p.hash for p in found})) for name, found in wanted.items()},
        incarnations={name: sorted(p.incarnation for p in found) for name, found in wanted.items()},
        outdated=sorted(
            pod.name
            for pod in [
                *(pod for pod in present if pod.hash != groups[pod.group]["hash"]),
                *gone(pods, groups, made),
            ]
        ),
    )
