"""`rayline:ray`."""

from typing import Annotated, Literal

from pydantic import Field

from infra.settings.framework.base import Resources, Settings, Toleration
from infra.settings.framework.grammar import (
    Annotations,
    Env,
    HttpUrl,
    Labels,
    ObjectName,
    Port,
    Version,
)
from infra.settings.framework.pods import PodTemplate, SecretEnv
from infra.settings.framework.quantities import Size
from infra.settings.framework.text import Text

# ValidateRayClusterMetadata and MaxRayServiceNameLength of KubeRay 1.6.2,
# ray-operator/controllers/ray/utils: a DNS-1035 label that leaves room for appended suffixes.
RayName = Annotated[
    str,
    Text(
        r"[a-z](?:[-a-z0-9]*[a-z0-9])?",
        "at most 47 lowercase letters, digits and -, which begin with a letter and end with a "
        "letter or digit",
        "rayline",
        47,
    ),
]


class Head(Settings):
    """The head pod: GCS, dashboard, Serve's controller and a proxy. It runs no replica
    (num-cpus 0)."""

    requests: Resources = Resources(cpu="3", memory="4G")
    """Resources reserved for the head."""
    limits: Resources = Resources(cpu="6", memory="8G")
    """Resource limits of the head."""
    env: Env = Field({})
    """Additional environment of the head alone. Not for secrets."""
    secret_env: SecretEnv = Field({})
    """Variables of the head alone from existing Secrets: NAME: {secret: <Secret>, key: <key>}."""
    labels: Labels = Field({})
    """Additional labels of the head pod."""
    node_selector: Labels = Field({})
    """Labels of the nodes that may run the head; empty: any node."""
    tolerations: tuple[Toleration, ...] = Field((), max_length=100)
    """Taints that the head tolerates."""
    runtime_class_name: ObjectName | None = None
    """Runtime class of the head; absent: the node's default runtime."""
    priority_class_name: ObjectName | None = None
    """Priority class of the head; absent: the cluster's default."""
    evictable: bool | None = None
    """Whether `kubectl drain` and autoscalers may evict the head. Absent: only with
    `ray.faultTolerance`, because without it all models are loaded again; a drain of its node then
    waits."""
    pod_template: PodTemplate = PodTemplate()
    """Anything else that the head's pod template may contain, merged under rayline's own
    template (docs/how-to/adapt-pods.md)."""


class FaultTolerance(Settings):
    """What lets the head end while workers, models and requests go on: Ray keeps its control store
    in a folder of a claim, and the next head continues with it. The store holds no weights and
    nothing that `pulumi up` could not make again; the claim is deleted with the cluster."""

    enabled: bool = True
    """Set to false to keep the store in the head's memory. A lost head then takes the API down.
    Either change restarts all Ray pods once."""
    storage_class: ObjectName | None = None
    """Storage class of the store's own claim, which then is ReadWriteOnce; absent: that of
    rayline:storage, and ReadWriteMany. Where rayline:storage.existing is true, absent means no
    own claim: the store is the folder ray-store of rayline:storage.claim."""
    size: Size = "1Gi"
    """Size of the store's own claim."""
    existing_claim: ObjectName | None = None
    """An existing claim that has the store in its folder ray-store; absent: as above."""


class Ray(Settings):
    """The RayCluster as a whole."""

    name: RayName = "rayline"
    """Name of the RayCluster; Services and pods are named after it. At most 47 characters."""
    version: Version = "2.60.0"
    """Version of Ray in the image. KubeRay uses it to decide how to start and probe Ray."""
    service_account: ObjectName | None = None
    """Name of the service account; absent: sa-<name>. rayline creates it without any rights."""
    labels: Labels = Field({})
    """Labels of the RayCluster, and of head and worker pods."""
    annotations: Annotations = Field({})
    """Annotations of the RayCluster, of head and worker pods, and of the head's Service."""
    env: Env = Field({})
    """Environment of every Ray container. Not for secrets."""
    secret_env: SecretEnv = Field({})
    """Variables of every Ray container from existing Secrets of the project's namespace:
    NAME: {secret: <Secret>, key: <key>}. A changed Secret reaches new pods only."""
    head: Head = Head()
    """The head pod."""
    fault_tolerance: FaultTolerance = FaultTolerance()
    """How a lost head is survived (docs/how-to/lost-head.md)."""
    grafana_host: HttpUrl | None = None
    """Address of Grafana as the head reaches it. With it, Ray's own dashboard shows plots, which
    are Grafana's."""
    grafana_iframe_host: HttpUrl | None = None
    """Address of Grafana as the browser of whoever opens Ray's dashboard reaches it; absent: that
    of grafanaHost."""
    prometheus_host: HttpUrl | None = None
    """Address of Prometheus as the head reaches it, by which Ray's dashboard says whether it
    runs."""
    metrics_port: Port = 8080
    """Port on which every Ray pod exports metrics."""
    upgrade: Literal["recreate", "manual"] = "recreate"
    """What happens to running pods when their template changes (image, resources, environment).
    recreate: `pulumi up` replaces the affected pods, and no others. manual: the pods stay, and
    each `up` lists the outdated ones until you have restarted them; the next `pulumi up` then
    redeploys the applications if a restarted head has lost them. KubeRay alone would leave outdated
    pods running without reporting it. With serve.delivery rayService, recreate starts a second
    cluster that takes over, which needs the same number of free cards again."""
