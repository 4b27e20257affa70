"""Which nodes can run a pod, as kube-scheduler decides it: selector, affinity, taints, room.

https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infra.cluster_check.facts import Node, RuntimeClass, Taint
from infra.cluster_check.workloads import Workload

Json = Mapping[str, Any]
_KEEPING_OUT = ("NoSchedule", "NoExecute")
_TEMPORARY = "node.kubernetes.io/"
"""Taints of this prefix come and go with the state of a node, such as not-ready."""


@dataclass(frozen=True)
class Placement:
    """The nodes of a cluster, as one workload meets them; each list is a part of the one before."""

    selected: tuple[Node, ...]
    """Nodes that match selector and affinity, in any state."""
    usable: tuple[Node, ...]
    """Of these, those that are Ready and not cordoned."""
    tolerated: tuple[Node, ...]
    """Of these, those whose taints the pods tolerate."""
    roomy: tuple[Node, ...]
    """Of these, those that could hold a pod if nothing else ran there."""


def placement(
    workload: Workload, nodes: Iterable[Node], classes: Iterable[RuntimeClass] = ()
) -> Placement:
    """How far each node gets."""
    spec = with_runtime_class(workload.spec, classes)
    selected = tuple(node for node in nodes if selects(spec, node))
    usable = tuple(node for node in selected if available(node))
    tolerated = tuple(node for node in usable if not untolerated(spec, node))
    wanted = workload.requests
    roomy = tuple(node for node in tolerated if not lacking(wanted, node.allocatable))
    return Placement(selected, usable, tolerated, roomy)


def candidates(
    several: Iterable[Workload], nodes: Sequence[Node], classes: Sequence[RuntimeClass]
) -> list[str]:
    """Names of the nodes that any of the workloads may use."""
    found = [node.name for each in several for node in placement(each, nodes, classes).roomy]
    return list(dict.fromkeys(found))


def available(node: Node) -> bool:
    """Ready, and open for new pods."""
    return node.ready and not node.cordoned


def with_runtime_class(spec: Json, classes: Iterable[RuntimeClass]) -> Json:
    """The spec with what its runtime class adds.
    https://kubernetes.io/docs/concepts/containers/runtime-class/#scheduling"""
    for each in classes:
        if each.name == spec.get("runtimeClassName"):
            return {
                **spec,
                "nodeSelector": {**(spec.get("nodeSelector") or {}), **each.node_selector},
                "tolerations": [*(spec.get("tolerations") or []), *each.tolerations],
            }
    return spec


def selects(spec: Json, node: Node) -> bool:
    """Whether selector and required node affinity accept the node's labels."""
    selector = spec.get("nodeSelector") or {}
    if any(node.labels.get(key) != value for key, value in selector.items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(_term(term, node) for term in required.get("nodeSelectorTerms") or [])


def _term(term: Json, node: Node) -> bool:
    name = {"metadata.name": node.name}
    found = [_matches(each, node.labels) for each in term.get("matchExpressions") or []]
    found += [_matches(each, name) for each in term.get("matchFields") or []]
    return bool(found) and all(found)


def _matches(requirement: Json, labels: Mapping[str, str]) -> bool:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#set-based-requirement"""
    value, values = labels.get(requirement["key"]), requirement.get("values") or []
    operator = requirement.get("operator")
    if operator in ("Gt", "Lt"):
        try:
            left, right = int(value or ""), int(values[0])
        except ValueError:
            return False
        return left > right if operator == "Gt" else left < right
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }.get(str(operator), False)


def untolerated(spec: Json, node: Node) -> list[Taint]:
    """Lasting taints that keep the pods out."""
    tolerations = spec.get("tolerations") or []
    return [
        taint
        for taint in node.taints
        if taint.effect in _KEEPING_OUT
        and not taint.key.startswith(_TEMPORARY)
        and not any(_tolerates(each, taint) for each in tolerations)
    ]


def _tolerates(toleration: Json, taint: Taint) -> bool:
    """https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#concepts"""
    if toleration.get("effect") not in (None, "", taint.effect):
        return False
    exists = toleration.get("operator") == "Exists"
    key = toleration.get("key")
    if not key:
        return exists
    return key == taint.key and (exists or (toleration.get("value") or "") == taint.value)


def lacking(wanted: Mapping[str, Decimal], room: Mapping[str, Decimal]) -> list[str]:
    """Names of the resources of which there is not enough."""
    return [name for name, value in wanted.items() if value > room.get(name, Decimal(0))]


def capacity(workload: Workload, room: Mapping[str, Decimal]) -> int:
    """How many of the pods fit into that room on one node."""
    if lacking(workload.requests, room):
        return 0
    if workload.spread:
        return 1
    return min(
        (int(room[name] // value) for name, value in workload.requests.items() if value),
        default=workload.pods,
    )
