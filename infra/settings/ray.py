"""The RayCluster: head, GPU groups, and what every Ray container gets."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from infra.settings.base import DnsLabel, EnvName, Quantity, Resources, Settings, Toleration

# ValidateRayClusterMetadata and MaxRayServiceNameLength of KubeRay 1.6.2,
# ray-operator/controllers/ray/utils: a DNS-1035 label that leaves room for what is appended to it.
RayName = Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=47)]


class Head(Settings):
    """The head pod. It runs no replica (num-cpus 0): GCS, dashboard, Serve's controller, proxy."""

    requests: Resources = Resources(cpu="3", memory="4G")
    """Reserved for the head."""
    limits: Resources = Resources(cpu="6", memory="8G")
    """What it may use at most."""
    env: dict[EnvName, str] = Field({})
    """More environment for the head alone."""
    labels: dict[str, str] = Field({})
    """More labels of the head pod."""
    node_selector: dict[str, str] = Field({})
    """Labels of the nodes that may hold the head; empty: any."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints that the head accepts."""


class Ray(Settings):
    """The RayCluster as a whole."""

    name: RayName = "rayline"
    """Name of the RayCluster; services and pods are named after it. 47 characters at most."""
    version: str = Field("2.60.0", pattern=r"^\d+\.\d+\.\d+$")
    """Ray's version in the image. KubeRay decides by it how to start and probe Ray."""
    service_account: DnsLabel | None = None
    """Name of the service account; absent: sa-<name>. It is created, and has no rights."""
    labels: dict[str, str] = Field({})
    """Labels of the RayCluster, and of head and worker pods."""
    annotations: dict[str, str] = Field({})
    """Annotations of the RayCluster, of head and worker pods, and of the head's Service."""
    env: dict[EnvName, str] = Field({})
    """Environment of every Ray container. Not for secrets."""
    head: Head = Head()
    """The head pod."""
    grafana_host: str | None = None
    """Grafana's address for the dashboard's plots."""
    prometheus_host: str | None = None
    """Prometheus' address for the dashboard's plots."""
    metrics_port: int = Field(8080, ge=1024, le=65535)
    """Port on which every Ray pod exports metrics."""
    upgrade: Literal["recreate", "manual"] = "recreate"
    """What happens to running pods when their template changes (image, resources, environment).
    recreate: the pods concerned are replaced during `pulumi up`, and no others. manual: they stay,
    and each `up` says which are outdated until you have restarted them; the `up` after that posts
    the applications anew, which a new head does not know. KubeRay by itself would leave old pods
    and say nothing. With serve.delivery rayService, recreate is a second cluster that takes over:
    it needs as many free cards again."""


class Gpu(Settings):
    """The kind of card in a group; the fit of models is computed from it."""

    model: str
    """For people: RTX 3090."""
    memory_gib: float = Field(gt=0)
    """Memory of one card in GiB, as nvidia-smi shows it (a 24 GB card has 24)."""
    count: int = Field(1, ge=0)
    """Cards of one worker."""
    resource: str = "nvidia.com/gpu"
    """Name of the Kubernetes resource that counts the cards."""


class GpuGroup(Settings):
    """Alike workers, one pod a node. New groups go to the end of the list."""

    name: DnsLabel
    """Name of the worker group, and of the Ray resource that models ask for."""
    gpu: Gpu
    """The card."""
    workers: int = Field(1, ge=1)
    """Pods of the group; each on a node of its own unless `spread` is false."""
    enabled: bool = True
    """false: the group is kept in the RayCluster with 0 pods, so that enabling it later touches no
    pod of other groups."""
    node_group: str | None = None
    """Value of the label `nodeGroupLabel` of the nodes that hold the group."""
    node_group_label: str = "node.deckhouse.io/group"
    """Label by which nodes are grouped."""
    node_selector: dict[str, str] = Field({})
    """Further labels of the nodes."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints that the workers accept."""
    requests: Resources = Resources(cpu="8", memory="12G")
    """Reserved for a worker."""
    limits: Resources = Resources(cpu="16", memory="24G")
    """What a worker may use at most."""
    shared_memory: Quantity = "8Gi"
    """Size of /dev/shm, part of the memory limit: for Ray's objects and tensor parallelism."""
    spread: bool = True
    """At most one worker of the group on a node."""
    labels: dict[str, str] = Field({})
    """More labels of the worker pods."""
    env: dict[EnvName, str] = Field({})
    """More environment for this group's workers."""
