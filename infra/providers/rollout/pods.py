"""Ray pods as the rollout sees them. Pure functions of the API server's JSON.

Labels: KubeRay's controllers/ray/common/pod.go, labelPod; constants in controllers/ray/utils.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.providers.common.pods import Trouble, state, trouble

TEMPLATE_HASH = "rayline.dev/template-hash"
"""As infra.specs.names spells it; what Pulumi's plug-in imports keeps clear of the settings."""
CLUSTER_LABEL = "ray.io/cluster"
GROUP_LABEL = "ray.io/group"
TYPE_LABEL = "ray.io/node-type"
HEAD = "head"


@dataclass(frozen=True)
class Pod:
    """One pod of the RayCluster."""

    name: str
    group: str
    """The worker group's name, or `head` (whose label says headgroup)."""
    hash: str
    """Hash of the template that it was made from; empty where it has none."""
    life: str
    """Its uid, and of the head how often its containers were restarted: in another life a head has
    forgotten the applications. What a worker forgot, Serve brings back by itself."""
    ready: bool
    deleting: bool
    state: str
    """What it is doing, for people."""
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
        life=f"{uid}/{restarts}" if head else uid,
        ready=ready,
        deleting=meta.get("deletionTimestamp") is not None,
        state="ready" if ready else found.kind if found else state(status),
        trouble=found,
    )


@dataclass(frozen=True)
class Observed:
    """What was seen of a RayCluster's pods, as the resource's state keeps it."""

    hashes: dict[str, str]
    """For each group that should have pods, the hash that they run; several are joined by a comma,
    and where there is no pod the hash is empty."""
    lives: dict[str, list[str]]
    """For each of these groups its pods' lives, sorted."""
    outdated: list[str]
    """Names of the pods that run another template than their group's."""


def observe(pods: Iterable[Pod], groups: Mapping[str, Mapping[str, Any]]) -> Observed:
    """Pods that are being deleted, or of a group that is not ours, do not count."""
    present = [pod for pod in pods if not pod.deleting and pod.group in groups]
    wanted = {
        name: [pod for pod in present if pod.group == name]
        for name, group in groups.items()
        if group["replicas"]
    }
    return Observed(
        hashes={name: ",".join(sorted({p.hash for p in found})) for name, found in wanted.items()},
        lives={name: sorted(p.life for p in found) for name, found in wanted.items()},
        outdated=sorted(p.name for p in present if p.hash != groups[p.group]["hash"]),
    )
