"""What is left in a namespace: every object of every kind, except Kubernetes' own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.providers.common.api_server import KubeClient
from infra.providers.ownership.observe import METADATA_LIST, at_once

# https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery
DISCOVERY = {
    "Accept": ",".join(
        f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
        for version in ("v2", "v2beta1")
    )
}
AUTOMATIC = {
    ("configmaps", "kube-root-ca.crt"),
    ("configmaps", "openshift-service-ca.crt"),
    ("configmaps", "istio-ca-root-cert"),
    ("serviceaccounts", "default"),
    # The lock by which operators elect a leader stays when they are removed (LeaderElectionID in
    # https://github.com/ray-project/kuberay/blob/v1.6.2/ray-operator/main.go).
    ("leases", "ray-operator-leader"),
}
"""Made in each namespace by the cluster's own controllers, or by the operator that is gone."""
DERIVED = {"events", "endpoints", "endpointslices"}
"""Kinds of which nobody is the author."""
COMPUTED = {"metrics.k8s.io"}
"""Groups whose objects are not stored."""


@dataclass(frozen=True)
class Kind:
    """A kind of object: its API path, and its name in messages."""

    root: str
    resource: str


@dataclass(frozen=True)
class Contents:
    """`staying`: nobody is going to delete these. `leaving`: they are being deleted, or their owner
    is gone."""

    staying: list[str]
    leaving: list[str]


def contents(client: KubeClient, namespace: str) -> Contents:
    """KubeError if a kind cannot be listed: then nobody knows whether the namespace is empty."""
    listed = kinds(client)
    found = at_once([lambda kind=kind: _list(client, kind, namespace) for kind in listed])  # type: ignore[misc]
    return sort_out(zip((kind.resource for kind in listed), found, strict=True))


def sort_out(found: Iterable[tuple[str, Sequence[Mapping[str, Any]]]]) -> Contents:
    """Metadata by the resource's name -> what stays, and what is on its way out."""
    items = [
        (resource, metadata)
        for resource, each in found
        for metadata in each
        if resource not in DERIVED and (resource, metadata["name"]) not in AUTOMATIC
    ]
    present = {metadata["uid"] for _, metadata in items}
    staying, leaving = [], []
    for resource, metadata in items:
        name = f"{resource}/{metadata['name']}"
        owners = {each["uid"] for each in metadata.get("ownerReferences") or []}
        if metadata.get("deletionTimestamp") or (owners and not owners & present):
            leaving.append(name)
        elif not owners:
            staying.append(name)
    return Contents(sorted(staying), sorted(leaving))


def kinds(client: KubeClient) -> list[Kind]:
    """All kinds that are stored in namespaces and can be listed, each in one version."""
    found: dict[tuple[str, str], Kind] = {}
    for root in ("/api", "/apis"):
        answer = client.call("GET", root, headers=DISCOVERY)
        for group in client.parsed(answer, f"GET {root}")["items"]:
            group_name = (group.get("metadata") or {}).get("name", "")
            if group_name in COMPUTED:
                continue
            base = f"{root}/{group_name}" if group_name else root
            for version in group["versions"]:
                for each in version.get("resources") or []:
                    if each["scope"] == "Namespaced" and "list" in each["verbs"]:
                        kind = Kind(f"{base}/{version['version']}", each["resource"])
                        found.setdefault((group_name, each["resource"]), kind)
    return list(found.values())


def _list(client: KubeClient, kind: Kind, namespace: str) -> list[Mapping[str, Any]]:
    where = f"{kind.root}/namespaces/{namespace}/{kind.resource}"
    answer = client.call("GET", where, headers=METADATA_LIST)
    items = client.parsed(answer, f"GET {where}").get("items") or []
    return [item["metadata"] for item in items]
