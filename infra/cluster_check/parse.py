"""Kubernetes' JSON -> facts. Pure functions; absent and null fields are the same."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from infra.cluster_check.facts import (
    Claim,
    IngressClass,
    Limit,
    Meta,
    Node,
    Operator,
    Pod,
    Quota,
    RuntimeClass,
    Secret,
    StorageClass,
    Taint,
    Volume,
)

Json = Mapping[str, Any]
VERSION = "/version"
RAY_PLURALS = ("rayclusters", "rayservices")
PULL_TYPES = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")
OPERATOR_NAMES = ("kuberay-operator", "kuberay")
"""Values of app.kubernetes.io/name: of KubeRay's chart, and of its Kustomize base."""
_POWERS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {f"{prefix}i": 1024**power for power, prefix in enumerate("KMGTPE", 1)}
_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([numkMGTPE]|[KMGTPE]i)?")
_TAG = re.compile(r":v?(\d+\.\d+\.\d+)(?:[-+@].*)?$")


class UnexpectedError(Exception):
    """An answer that cannot be used; the text is the reason."""


def document(text: str, path: str) -> dict[str, Any]:
    """The JSON object of an answer, which has a kind, unless it is the version."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UnexpectedError(f"GET {path} did not return a JSON object")
    if "kind" not in found and path != VERSION:
        raise UnexpectedError(f"GET {path} did not return an object of Kubernetes")
    return found


def plain(reason: str) -> str:
    """An error's text in one line of reasonable length."""
    line = " ".join(reason.split())
    return line if len(line) <= 500 else f"{line[:500]}..."


def quantity(value: object) -> Decimal | None:
    """A quantity in any form that the API server returns; None if it is none.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    try:
        number = Decimal(match[1])
    except InvalidOperation:
        return None
    suffix = match[2] or ""
    return number * _BINARY[suffix] if suffix in _BINARY else number.scaleb(_POWERS[suffix])


def quantities(values: Mapping[str, Any] | None) -> dict[str, Decimal]:
    """Those values that are quantities."""
    found = {name: quantity(value) for name, value in (values or {}).items()}
    return {name: value for name, value in found.items() if value is not None}


def meta(item: Json) -> Meta:
    """Metadata of any object."""
    metadata = item.get("metadata") or {}
    return Meta(
        name=metadata.get("name", ""),
        namespace=metadata.get("namespace", ""),
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        terminating=bool(metadata.get("deletionTimestamp")),
    )


def uid(item: Json) -> str:
    """The uid of an object."""
    return str((item.get("metadata") or {}).get("uid"))


def name(item: Json) -> str:
    """The name of an object."""
    return meta(item).name


def kinds(item: Json) -> frozenset[str]:
    """The kinds of an APIResourceList."""
    return frozenset(str(each.get("kind")) for each in item.get("resources") or [])


def claim(item: Json) -> Claim:
    """A PersistentVolumeClaim."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    sizes = quantities(status.get("capacity")) or quantities(
        (spec.get("resources") or {}).get("requests")
    )
    return Claim(
        meta=meta(item),
        access_modes=tuple(status.get("accessModes") or spec.get("accessModes") or ()),
        phase=status.get("phase", "Pending"),
        size=sizes.get("storage", Decimal(0)),
        storage_class=spec.get("storageClassName"),
    )


def volume(item: Json) -> Volume:
    """A PersistentVolume."""
    spec = item.get("spec") or {}
    return Volume(
        meta(item).name, spec.get("storageClassName") or "", tuple(spec.get("accessModes") or ())
    )


def volumes(items: Iterable[Json]) -> tuple[Volume, ...]:
    """The PersistentVolumes that no claim has."""
    free = [item for item in items if (item.get("status") or {}).get("phase") == "Available"]
    return tuple(volume(item) for item in free)


def secret(item: Json) -> Secret:
    """A Secret's type, and the registries of a pull secret; its values are dropped here."""
    registries: Iterable[str] = ()
    for key in (".dockerconfigjson", ".dockercfg"):
        try:
            content = json.loads(base64.b64decode((item.get("data") or {}).get(key, "")))
            registries = content["auths"] if key == ".dockerconfigjson" else content
            break
        except (binascii.Error, ValueError, KeyError, TypeError):
            continue
    return Secret(str(item.get("type") or "Opaque"), tuple(str(name) for name in registries))


def storage_class(item: Json) -> StorageClass:
    """A storage class."""
    return StorageClass(
        meta(item).name,
        str(item.get("provisioner")),
        _default(item, "storageclass.kubernetes.io/is-default-class")
        or _default(item, "storageclass.beta.kubernetes.io/is-default-class"),
        item.get("volumeBindingMode") == "WaitForFirstConsumer",
    )


def ingress_class(item: Json) -> IngressClass:
    """An ingress class."""
    return IngressClass(
        meta(item).name, _default(item, "ingressclass.kubernetes.io/is-default-class")
    )


def _default(item: Json, annotation: str) -> bool:
    return meta(item).annotations.get(annotation) == "true"


def runtime_class(item: Json) -> RuntimeClass:
    """A runtime class."""
    scheduling = item.get("scheduling") or {}
    return RuntimeClass(
        meta(item).name,
        scheduling.get("nodeSelector") or {},
        tuple(scheduling.get("tolerations") or ()),
    )


def node(item: Json) -> Node:
    """A node."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    conditions = {each.get("type"): each.get("status") for each in status.get("conditions") or []}
    return Node(
        name=meta(item).name,
        labels=meta(item).labels,
        taints=tuple(
            Taint(each.get("key", ""), each.get("effect", ""), each.get("value") or "")
            for each in spec.get("taints") or []
        ),
        ready=conditions.get("Ready") == "True",
        cordoned=bool(spec.get("unschedulable")),
        allocatable=quantities(status.get("allocatable")),
        images=frozenset(
            name for image in status.get("images") or [] for name in image.get("names") or []
        ),
    )


def reserved(spec: Json, field: str) -> dict[str, Decimal]:
    """Requests or limits of a pod: the sum of its containers, or an init container's if larger.

    https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
    """
    total: dict[str, Decimal] = {}
    for container in spec.get("containers") or []:
        for name, value in quantities((container.get("resources") or {}).get(field)).items():
            total[name] = total.get(name, Decimal(0)) + value
    for container in spec.get("initContainers") or []:
        for name, value in quantities((container.get("resources") or {}).get(field)).items():
            total[name] = max(total.get(name, Decimal(0)), value)
    return total


def pod(item: Json) -> Pod:
    """A pod."""
    spec = item.get("spec") or {}
    return Pod(meta(item), spec.get("nodeName") or "", reserved(spec, "requests"))


def operators(items: Iterable[Json]) -> tuple[Operator, ...]:
    """The KubeRay operators among Deployments."""
    return tuple(_operator(item) for item in items if _is_operator(item))


def _is_operator(item: Json) -> bool:
    labels = meta(item).labels
    return (
        labels.get("app.kubernetes.io/component") == "kuberay-operator"
        or labels.get("app.kubernetes.io/name") == "kuberay-operator"
    )


def _operator(item: Json) -> Operator:
    spec = (((item.get("spec") or {}).get("template") or {}).get("spec")) or {}
    container: Json = next(iter(spec.get("containers") or []), {})
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    watched = ""
    for place, word in enumerate(words):
        name, equals, value = str(word).partition("=")
        if name.lstrip("-") == "watch-namespace":
            watched = value if equals else str(next(iter(words[place + 1 :]), ""))
    tag = _TAG.search(str(container.get("image", "")))
    return Operator(
        meta(item),
        tag[1] if tag else None,
        tuple(each.strip() for each in watched.split(",") if each.strip()),
    )


def quotas(items: Iterable[Json]) -> tuple[Quota, ...]:
    """ResourceQuotas that count every pod of their namespace."""
    return tuple(
        Quota(
            meta(item).name,
            quantities((item.get("spec") or {}).get("hard")),
            quantities((item.get("status") or {}).get("used")),
        )
        for item in items
        if not (item.get("spec") or {}).get("scopes")
        and not (item.get("spec") or {}).get("scopeSelector")
    )


def limits(items: Iterable[Json]) -> tuple[Limit, ...]:
    """The maxima of LimitRanges."""
    return tuple(
        Limit(meta(item).name, str(entry.get("type")), quantities(entry.get("max")))
        for item in items
        for entry in (item.get("spec") or {}).get("limits") or []
    )


def policies(items: Iterable[Json]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of policies that close every pod of the namespace to ingress, and of the others that
    concern ingress."""
    closed: list[str] = []
    others: list[str] = []
    for item in items:
        spec = item.get("spec") or {}
        if "Ingress" not in (spec.get("policyTypes") or ["Ingress"]):
            continue
        selector = spec.get("podSelector") or {}
        every = not selector.get("matchLabels") and not selector.get("matchExpressions")
        (closed if every and not spec.get("ingress") else others).append(meta(item).name)
    return tuple(closed), tuple(others)
