"""The parts of Ray pods that a rollout needs. Pure functions of the API server's JSON.

Labels: KubeRay's controllers/ray/common/pod.go, labelPod; constants in controllers/ray/utils.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.providers.common.pods import Trouble, state, trouble

TEMPLATE_HASH = "rayline.dev/template-hash"
"""The same as in infra.specs.names, which the plug-in must not import: it imports pydantic."""
CLUSTER_LABEL = "ray.io/cluster"
GROUP_LABEL = "ray.io/group"
TYPE_LABEL = "ray.io/node-type"
HEAD = "head"


@dataclass(frozen=True)
class Pod:
    """One pod of the RayCluster."""

    name: str
    group: str
    """The worker group's name, or `head` (whose label is `headgroup`)."""
    hash: str
    """Hash of the template that it was made from; empty if the pod has none."""
    incarnation: str
    """UID of the pod, plus the restart count for the head, because a restarted head loses its Serve
    applications. What a restarted worker loses, Serve restores by itself."""
    ready: bool
    deleting: bool
    state: str
    """What it is doing, for the user."""
    trouble: Trouble | None


def parse(item: Mapping[str, Any]) -> Pod:
    """A pod of the API server's list."""
    meta, status = item["metadata"], item.get("status") or {}
    labels = meta.get("labels") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    ready = conditions.get("Ready", {}).get("status") == "True"
    found = trouble(status)
    head = labels.get(TYPE_LABEL) == HEAD
    restarts = sum(int(c.get("restartCount", 0)) for c in status.get("containerStatuses") or [])
    uid = str(meta.get("uid", ""))
    return Pod(
        name=meta["name"],
        group=HEAD if head else labels.get(GROUP_LABEL, ""),
        hash=(meta.get("annotations") or {}).get(TEMPLATE_HASH, ""),
        incarnation=f"{uid}/{restarts}" if head else uid,
        ready=ready,
        deleting=meta.get("deletionTimestamp") is not None,
        state="ready" if ready else found.kind if found else state(status),
        trouble=found,
    )


@dataclass(frozen=True)
class Observed:
    """The pods of a RayCluster at one moment, as the resource's outputs keep them."""

    hashes: dict[str, str]
    """For each group that should have pods, the hash that they run: several are joined by commas;
    empty without a pod."""
    incarnations: dict[str, list[str]]
    """For each of these groups, the incarnations of its pods, sorted."""
    outdated: list[str]
    """Names of the pods whose template is not that of their group."""


def observe(pods: Iterable[Pod], groups: Mapping[str, Mapping[str, Any]]) -> Observed:
    """Pods that are being deleted, or belong to a group that is not ours, do not count."""
    present = [pod for pod in pods if not pod.deleting and pod.group in groups]
    wanted = {
        name: [pod for pod in present if pod.group == name]
        for name, group in groups.items()
        if group["replicas"]
    }
    return Observed(
        hashes={name: ",".join(sorted({p.hash for p in found})) for name, found in wanted.items()},
        incarnations={name: sorted(p.incarnation for p in found) for name, found in wanted.items()},
        outdated=sorted(p.name for p in present if p.hash != groups[p.group]["hash"]),
    )
