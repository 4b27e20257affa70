"""`rayline:gpuGroups`."""

from pydantic import Field

from infra.settings.framework.base import Resources, Settings, Toleration
from infra.settings.framework.grammar import (
    Count,
    DnsLabel,
    Env,
    ExtendedResource,
    LabelKey,
    Labels,
    LabelValue,
    Line,
    ObjectName,
)
from infra.settings.framework.pods import PodTemplate, SecretEnv
from infra.settings.framework.quantities import Size


class Gpu(Settings):
    """The kind of card in a group; it determines which models fit."""

    model: Line
    """Human-readable name of the card, for example RTX 3090."""
    memory_gib: float = Field(gt=0, le=10_000)
    """Memory of one card in GiB, as nvidia-smi shows it (a 24 GB card has 24). The check that
    models fit counts what PyTorch sees of it, which is 1 to 4 percent less."""
    count: int = Field(1, ge=0, le=1000)
    """Cards per worker."""
    resource: ExtendedResource = "nvidia.com/gpu"
    """Name of the Kubernetes resource that counts the cards."""


class GpuGroup(Settings):
    """Identical workers, by default one pod per node. Append new groups to the end of the list."""

    name: DnsLabel
    """Name of KubeRay's worker group, and of the Ray resource that models request."""
    gpu: Gpu
    """The cards of one worker."""
    workers: Count = 1
    """Number of worker pods; each runs on a different node unless `spread` is false."""
    enabled: bool = True
    """When false, the group stays in the RayCluster with 0 pods, so that enabling it later touches
    no pod of other groups."""
    node_group: LabelValue | None = None
    """Value of the label `nodeGroupLabel` on the nodes that run the group."""
    node_group_label: LabelKey = "node.deckhouse.io/group"
    """Label that groups the nodes."""
    node_selector: Labels = Field({})
    """Further labels of the nodes."""
    tolerations: tuple[Toleration, ...] = Field((), max_length=100)
    """Taints that the workers tolerate."""
    requests: Resources = Resources(cpu="8", memory="12G")
    """Resources reserved for one worker."""
    limits: Resources = Resources(cpu="16", memory="24G")
    """Resource limits of one worker."""
    shared_memory: Size = "8Gi"
    """Size of /dev/shm, which counts towards the memory limit: for Ray's objects and tensor
    parallelism."""
    spread: bool = True
    """Run at most one worker of the group per node."""
    labels: Labels = Field({})
    """Additional labels of the worker pods."""
    env: Env = Field({})
    """Additional environment of this group's workers. Not for secrets."""
    secret_env: SecretEnv = Field({})
    """Variables of this group's workers, and so of its models, from existing Secrets:
    NAME: {secret: <Secret>, key: <key>}."""
    runtime_class_name: ObjectName | None = None
    """Runtime class of the workers, for example nvidia; absent: the node's default runtime. Needed
    where NVIDIA's runtime is not the default of the GPU nodes."""
    priority_class_name: ObjectName | None = None
    """Priority class of the workers; absent: the cluster's default."""
    pod_template: PodTemplate = PodTemplate()
    """Anything else that the workers' pod template may contain, merged under rayline's own
    template (docs/how-to/adapt-pods.md)."""

    @property
    def pods(self) -> int:
        """Number of worker pods; a disabled group has none."""
        return self.workers if self.enabled else 0
