"""Objects of Kubernetes by kind and name: their paths in the API, and their keys."""

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]
"""`apiVersion`, `kind`, `name`, and `namespace` if its kind has one."""

_PLURALS = {"Ingress": "ingresses"}


def key(each: Object) -> str:
    """As `rayline:cluster.adopt` names it: persistentvolumeclaim/model-cache-pvc."""
    return f"{each['kind'].lower()}/{each['name']}"


def path(each: Object) -> str:
    """The object's path in the API."""
    version, kind = each["apiVersion"], each["kind"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    place = f"/namespaces/{each['namespace']}" if each.get("namespace") else ""
    return f"{root}{place}/{_PLURALS.get(kind, f'{kind.lower()}s')}/{each['name']}"


def described(each: Object) -> str:
    """For messages: its key, and its namespace."""
    place = f" in the namespace {each['namespace']}" if each.get("namespace") else ""
    return f"{key(each)}{place}"
