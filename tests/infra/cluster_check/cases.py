"""What a case of a rule is, and short names for variations of the good cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from infra.cluster_check.facts import (
    Claim,
    ClusterFacts,
    Meta,
    Operator,
    Pod,
    Right,
    StorageClass,
    Taint,
    known,
)
from tests.infra.cluster_check.clusters import (
    GIB,
    GOOD,
    GPUS,
    KUBERAY,
    PLAIN,
    relabelled,
    with_nodes,
)

HOME = Meta("kuberay-projects")
OURS = Meta("kuberay-projects", labels={"app.kubernetes.io/managed-by": "rayline"})
INGRESS = {"serve__ingress": {"host": "llm.example.com"}}
EXISTING = {"storage__existing": True}
FOREIGN = {"operator__install": False}
RWX, RWO = ("ReadWriteMany",), ("ReadWriteOnce",)


@dataclass(frozen=True)
class Case:
    """One cluster, changes of prod, and what the only finding says (severity, then parts)."""

    facts: ClusterFacts
    severity: str
    parts: tuple[str, ...]
    changes: Mapping[str, Any] = field(default_factory=dict)


def case(facts: ClusterFacts, severity: str, *parts: str, **changes: Any) -> Case:
    return Case(facts, severity, parts, changes)


def claim(**changes: Any) -> ClusterFacts:
    fresh = Claim(Meta("model-cache-pvc"), RWX, "Bound", 200 * GIB)
    return replace(GOOD, claim=known(replace(fresh, **changes)))


def classes(*found: StorageClass) -> ClusterFacts:
    return replace(GOOD, storage_classes=known(found))


def tainted(*taints: Taint) -> ClusterFacts:
    return with_nodes(PLAIN, *(replace(node, taints=taints) for node in GPUS))


def labelled(name: str, value: str) -> ClusterFacts:
    return with_nodes(PLAIN, *(relabelled(node, **{name: value}) for node in GPUS))


def rights(*missing: Right) -> ClusterFacts:
    return replace(GOOD, missing_rights=known(missing))


def pods(*found: Pod) -> ClusterFacts:
    return replace(GOOD, neighbours=known(found))


def operator(**changes: Any) -> ClusterFacts:
    (other,) = KUBERAY.operators.value
    return replace(KUBERAY, operators=known((replace(other, **changes),)))


def served_by_ours(*watches: str) -> ClusterFacts:
    """A cluster in which the operator of a stack also serves a RayCluster of others."""
    home = Meta("kuberay-operator", "kuberay-system", annotations={"rayline.dev/stack": "prod"})
    return replace(
        KUBERAY,
        operators=known((Operator(home, "1.6.2", watches),)),
        ray_clusters=known((Meta("deepseek", "kuberay-projects"), Meta("team", "research"))),
    )


def enforcing(level: str) -> ClusterFacts:
    labels = {"pod-security.kubernetes.io/enforce": level}
    return replace(GOOD, namespace=known(replace(OURS, labels={**OURS.labels, **labels})))


SMALL_GPUS = tuple(
    replace(node, allocatable={**node.allocatable, "cpu": Decimal(4)}) for node in GPUS
)
TRAINING = Pod(Meta("training", "others"), "gpu-1", {"nvidia.com/gpu": Decimal(1)})
