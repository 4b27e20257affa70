"""A cluster on which prod runs, variations of it, and what the rules report about them."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from infra.cluster_check import registry
from infra.cluster_check.facts import (
    ClusterFacts,
    IngressClass,
    Meta,
    Node,
    Operator,
    Secret,
    StorageClass,
    known,
)
from infra.cluster_check.registry import Findings
from infra.settings import parse
from infra.settings.framework.problems import Problem
from tests.commands import advised, typed
from tests.stacks import committed

GIB = Decimal(1024**3)
GPU_LABELS = {
    "node.deckhouse.io/group": "w-gpu",
    "nvidia.com/gpu.product": "NVIDIA-GeForce-RTX-3090",
    "nvidia.com/gpu.memory": "24576",
    "nvidia.com/cuda.driver-version.full": "580.95.05",
}


def amounts(cpu: int = 32, memory: int = 64, **more: int) -> dict[str, Decimal]:
    """What a node offers; memory in GiB."""
    return {
        "cpu": Decimal(cpu),
        "memory": memory * GIB,
        "ephemeral-storage": 200 * GIB,
        **{name: Decimal(value) for name, value in more.items()},
    }


def gpu_node(name: str, **changes: Any) -> Node:
    """A node with one RTX 3090 of prod's group."""
    offers = amounts() | {"nvidia.com/gpu": Decimal(1)}
    return replace(Node(name, labels=GPU_LABELS, allocatable=offers), **changes)


def relabelled(node: Node, **labels: str) -> Node:
    """A node with other labels; `__` in a keyword is a slash, `_` a dot."""
    return replace(node, labels={**node.labels, **labels})


PLAIN = Node("plain", allocatable=amounts(8, 16))
GPUS = (gpu_node("gpu-1"), gpu_node("gpu-2"))
GOOD = ClusterFacts(
    context="production",
    version="v1.34.3",
    uid=known("cd-12"),
    missing_rights=known(()),
    namespace=known(None),
    claim=known(None),
    secrets={
        "regcred": known(Secret("kubernetes.io/dockerconfigjson", ("registry.example.com",))),
        "llm-tls": known(Secret("kubernetes.io/tls")),
    },
    storage_classes=known((StorageClass("cephfs", "rook-ceph.cephfs.csi.ceph.com"),)),
    volumes=known(()),
    ingress_classes=known((IngressClass("nginx"),)),
    runtime_classes=known(()),
    priority_classes=known(()),
    nodes=known((PLAIN, *GPUS)),
    neighbours=known(()),
    own_pods=known(()),
    operators=known(()),
    ray_clusters=known(()),
    ray_kinds=known(frozenset()),
    monitoring_kinds=known(frozenset()),
    live=known(False),
    autoscaler=known(False),
    quotas=known(()),
    limits=known(()),
    closed_by=known(()),
    opened_by=known(()),
)
KUBERAY = replace(
    GOOD,
    ray_kinds=known(frozenset({"RayCluster", "RayService", "RayJob"})),
    operators=known((Operator(Meta("kuberay-operator", "elsewhere"), "1.6.2"),)),
)
"""The same cluster, with a KubeRay operator of somebody else."""


def with_nodes(*nodes: Node, **changes: Any) -> ClusterFacts:
    """The good cluster with other nodes."""
    return replace(GOOD, nodes=known(nodes), **changes)


def findings(facts: ClusterFacts, **changes: Any) -> Findings:
    """What the rules report about prod with changes. Each message states what to type; typing the
    configuration's commands literally removes the finding."""
    whole = committed("prod", **changes)
    reported = registry.check(parse(whole), facts)
    for problem in reported.problems:
        assert "ype: " in problem.message, problem
        assert problem.key.startswith("rayline:"), problem
        commands = advised(problem.message)
        assert commands or "ype: pulumi" not in problem.message, problem
        if commands:
            after = registry.check(parse(typed(whole, commands)), facts)
            left = [
                p
                for p in after.problems
                if p.key == problem.key and p.message[:15] == problem.message[:15]
            ]
            assert not left, (problem, left)
    return reported


def texts(problems: Iterable[Problem]) -> list[str]:
    return [f"{problem.severity}: {problem}" for problem in problems]
