"""What was read from a cluster, as plain values. Rules depend on nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class NotKnownError(Exception):
    """A fact could not be read; the text is the reason."""


@dataclass(frozen=True)
class Fact(Generic[T]):
    """A value, or the reason why it is not known."""

    content: T | None = None
    reason: str = "it was not read"

    @property
    def value(self) -> T:
        """NotKnownError if it could not be read; the rule that asked is then skipped."""
        if self.reason:
            raise NotKnownError(self.reason)
        return self.content  # type: ignore[return-value]

    def get(self, default: T) -> T:
        """The value, or `default` if it is not known."""
        return default if self.reason else self.value


def known(value: T) -> Fact[T]:
    """A fact that was read."""
    return Fact(value, "")


@dataclass(frozen=True)
class Right:
    """One permission; `namespace` is empty for objects of the whole cluster."""

    verb: str
    resource: str
    """Plural name, with a subresource after a slash: pods, services/proxy."""
    group: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {resource}" + (f" in {self.namespace}" if self.namespace else "")


@dataclass(frozen=True)
class Meta:
    """Name, labels and annotations of an object, and whether it is being deleted."""

    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    terminating: bool = False

    @property
    def ours(self) -> bool:
        """Whether a rayline stack made it."""
        return (
            self.labels.get("app.kubernetes.io/managed-by") == "rayline"
            or "rayline.dev/stack" in self.annotations
        )


@dataclass(frozen=True)
class Claim:
    """A PersistentVolumeClaim; `size` in bytes, of the volume once it is bound."""

    meta: Meta
    access_modes: tuple[str, ...] = ()
    phase: str = "Pending"
    size: Decimal = Decimal(0)
    storage_class: str | None = None


@dataclass(frozen=True)
class Secret:
    """Type of a Secret, and the registries that it holds logins for. Nothing else is kept."""

    type: str
    registries: tuple[str, ...] = ()


@dataclass(frozen=True)
class StorageClass:
    """A storage class; `waits` means that it provisions for the first pod that uses a claim."""

    name: str
    provisioner: str
    default: bool = False
    waits: bool = False


@dataclass(frozen=True)
class IngressClass:
    """An ingress class."""

    name: str
    default: bool = False


@dataclass(frozen=True)
class RuntimeClass:
    """A runtime class, with the placement that it adds to a pod."""

    name: str
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Taint:
    """A taint of a node."""

    key: str
    effect: str
    value: str = ""

    def __str__(self) -> str:
        return (
            f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"
        )


@dataclass(frozen=True)
class Node:
    """A node; amounts are in cores, bytes and cards."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    ready: bool = True
    cordoned: bool = False
    allocatable: Mapping[str, Decimal] = field(default_factory=dict)
    images: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Pod:
    """A pod that has not ended; `requests` is what the scheduler reserves for it."""

    meta: Meta
    node: str = ""
    requests: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class Operator:
    """A Deployment of the KubeRay operator; `version` is None if its image's tag is no version.
    `watches` is empty if it watches all namespaces."""

    meta: Meta
    version: str | None = None
    watches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quota:
    """A ResourceQuota without scopes."""

    name: str
    hard: Mapping[str, Decimal]
    used: Mapping[str, Decimal]


@dataclass(frozen=True)
class Limit:
    """The maximum of a LimitRange for one type: Container, Pod or PersistentVolumeClaim."""

    name: str
    type: str
    maximum: Mapping[str, Decimal]


@dataclass(frozen=True)
class Volume:
    """A PersistentVolume that no claim has."""

    name: str
    storage_class: str
    access_modes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClusterFacts:
    """One cluster as the stack's user sees it. Each fact may be unknown, for example because the
    user may not list nodes."""

    context: str = ""
    version: str = ""
    """Version of Kubernetes, such as v1.34.3."""
    uid: Fact[str] = Fact()
    """Of the namespace kube-system: the identity of the cluster."""
    missing_rights: Fact[tuple[Right, ...]] = Fact()
    namespace: Fact[Meta | None] = Fact()
    """The stack's namespace; None if it does not exist."""
    claim: Fact[Claim | None] = Fact()
    secrets: Mapping[str, Fact[Secret | None]] = field(default_factory=dict)
    """By name, those that the stack refers to and does not make."""
    storage_classes: Fact[tuple[StorageClass, ...]] = Fact()
    volumes: Fact[tuple[Volume, ...]] = Fact()
    ingress_classes: Fact[tuple[IngressClass, ...]] = Fact()
    runtime_classes: Fact[tuple[RuntimeClass, ...]] = Fact()
    priority_classes: Fact[tuple[str, ...]] = Fact()
    nodes: Fact[tuple[Node, ...]] = Fact()
    neighbours: Fact[tuple[Pod, ...]] = Fact()
    """Pods on nodes that the stack may use, except its own."""
    own_pods: Fact[tuple[Pod, ...]] = Fact()
    operators: Fact[tuple[Operator, ...]] = Fact()
    ray_clusters: Fact[tuple[Meta, ...]] = Fact()
    """RayClusters of all namespaces."""
    ray_kinds: Fact[frozenset[str]] = Fact()
    """Kinds that the API server serves as ray.io/v1; empty without KubeRay's CRDs."""
    monitoring_kinds: Fact[frozenset[str]] = Fact()
    """Kinds that the API server serves as monitoring.coreos.com/v1; empty without the Prometheus
    operator's CRDs."""
    live: Fact[bool] = Fact()
    """Whether this stack's RayCluster or RayService exists."""
    autoscaler: Fact[bool] = Fact()
    """Whether something adds nodes to the cluster when pods wait for one."""
    quotas: Fact[tuple[Quota, ...]] = Fact()
    limits: Fact[tuple[Limit, ...]] = Fact()
    closed_by: Fact[tuple[str, ...]] = Fact()
    """Network policies of the namespace that select every pod and allow no ingress."""
    opened_by: Fact[tuple[str, ...]] = Fact()
    """Its other network policies for ingress."""
