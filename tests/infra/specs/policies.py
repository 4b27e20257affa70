"""The production stack with NetworkPolicies, and what policies mean, written a second time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from infra.settings import StackSettings, parse
from tests.stacks import committed

Spec = Mapping[str, Any]
INGRESS = "ingress-nginx"
MONITORING = "monitoring"
CONTROL_PLANE = "192.0.2.10"
POLICIES: dict[str, Any] = {
    "apiFrom": {
        "pods": [{"namespace": INGRESS, "labels": {"app.kubernetes.io/name": INGRESS}}],
        "networks": ["198.51.100.0/24"],
    },
    "metricsFrom": {"pods": [{"namespace": MONITORING}]},
    "controlPlane": {"networks": [f"{CONTROL_PLANE}/32"]},
}


def with_policies(**changes: Any) -> StackSettings:
    return parse(committed("prod", **{"network__policies": POLICIES, **changes}))


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod, or an address outside (of which `labels` is None)."""

    address: str = "203.0.113.9"
    namespace: str = ""
    labels: Mapping[str, str] | None = field(default=None)


def admitted(
    policies: Iterable[Spec], home: str, start: End, end: End, port: int, protocol: str = "TCP"
) -> bool:
    """Whether the policies of the namespace `home` let one end connect to a port of the other."""
    known = list(policies)
    return _open(known, home, end, start, "Ingress", port, protocol) and _open(
        known, home, start, end, "Egress", port, protocol
    )


def _open(
    policies: list[Spec], home: str, of: End, peer: End, way: str, port: int, protocol: str
) -> bool:
    if of.labels is None or of.namespace != home:
        return True
    spec = [each["spec"] for each in policies]
    mine = [s for s in spec if way in s["policyTypes"] and selects(s["podSelector"], of.labels)]
    if not mine:
        return True
    side = "from" if way == "Ingress" else "to"
    return any(
        any(_peer(each, peer, home) for each in rule.get(side, [None]))
        and any(_port(each, port, protocol) for each in rule.get("ports", [None]))
        for s in mine
        for rule in s.get(way.lower(), ())
    )


def _peer(rule: Spec | None, peer: End, home: str) -> bool:
    if rule is None:
        return True
    if "ipBlock" in rule:
        return ip_address(peer.address) in ip_network(rule["ipBlock"]["cidr"])
    if peer.labels is None:
        return False
    place = {"kubernetes.io/metadata.name": peer.namespace}
    inside = (
        selects(rule["namespaceSelector"], place)
        if "namespaceSelector" in rule
        else peer.namespace == home
    )
    return inside and selects(rule.get("podSelector", {}), peer.labels)


def _port(rule: Spec | None, port: int, protocol: str) -> bool:
    return rule is None or (rule["port"], rule.get("protocol", "TCP")) == (port, protocol)


def selects(selector: Spec, labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", [])
    assert all(each["operator"] == "Exists" for each in expressions)
    return all(labels.get(k) == v for k, v in wanted.items()) and all(
        each["key"] in labels for each in expressions
    )
