"""Where rayline runs: the cluster, the image, the model cache, the operator."""

from typing import Literal, Self

from pydantic import Field, model_validator

from infra.settings.base import DnsLabel, Quantity, Settings


class Cluster(Settings):
    """The Kubernetes cluster and our place in it."""

    context: str = Field(min_length=1)
    """Context of the kubeconfig (KUBECONFIG or ~/.kube/config). Never the ambient one, which is how
    the wrong cluster gets changed."""
    namespace: DnsLabel = "kuberay-projects"
    """Namespace of everything but the operator."""
    create_namespace: bool = True
    """false: the namespace exists and is someone else's."""


class Image(Settings):
    """The image of head and workers: Ray, vLLM and the service. Either built (`repository`) or
    prebuilt (`ref`)."""

    repository: str | None = None
    """Where the built image is pushed, without a tag: registry.example.com/llm/ray-vllm."""
    ref: str | None = Field(None, pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$")
    """A prebuilt image by digest: registry.example.com/llm/ray-vllm@sha256:... Nothing is built."""
    base: str = "rayproject/ray:2.60.0-py311-cu128"
    """The image that it is built on; it decides the Python and the CUDA."""
    requirements: Literal["app-gpu.txt", "app-cpu.txt"] = "app-gpu.txt"
    """Which locked set of Python packages goes in: vLLM for GPUs or for the CPU."""
    builder: Literal["buildx", "docker"] = "buildx"
    """buildx: BuildKit, through pulumi-docker-build. docker: a plain Docker engine, through
    pulumi-docker, which Pulumi downloads; no build secrets. Tested with mocks only."""
    buildx_instance: str | None = None
    """Name of the buildx instance; absent: the default one."""
    pip_config: str | None = None
    """A pip.conf on the machine that builds, for a mirror of PyPI. A build secret."""
    pull_secret: DnsLabel | None = None
    """Existing Secret of type kubernetes.io/dockerconfigjson, such as regcred."""
    pull_policy: Literal["IfNotPresent", "Always"] = "IfNotPresent"
    """Digests do not change, so IfNotPresent misses nothing."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.repository is None) == (self.ref is None):
            given = "both" if self.repository else "neither"
            raise ValueError(
                f"give either repository (built and pushed there) or ref (prebuilt, by digest); "
                f"{given} is given"
            )
        return self


class Storage(Settings):
    """The model cache: one claim that all Ray pods and download Jobs mount at /data/model-cache."""

    claim: DnsLabel = "model-cache-pvc"
    """Name of the PersistentVolumeClaim."""
    existing: bool = False
    """true: the claim exists already and is not ours to change or delete."""
    storage_class: DnsLabel | None = None
    """Storage class of a new claim; it must offer ReadWriteMany. Absent: the cluster's default."""
    size: Quantity = "200Gi"
    """Size of a new claim."""
    protect: bool = True
    """Leave the claim, with its weights and its namespace, in the cluster on `pulumi destroy`."""
    fix_permissions: bool = False
    """Let the download Jobs give the folder to uid 1000, gid 100, as root, where it is not theirs
    yet. For volumes that ignore fsGroup."""


class Operator(Settings):
    """The KubeRay operator."""

    install: bool = True
    """false: the cluster has one already (it is cluster-wide; two fight)."""
    namespace: DnsLabel = "kuberay-system"
    """Namespace of the operator; created with it."""
    version: str = Field("1.6.2", pattern=r"^\d+\.\d+\.\d+$")
    """Version of chart, operator and CRDs."""
    chart: str = "kuberay-operator"
    """Name of the chart in `repository`, or a folder."""
    repository: str | None = "https://ray-project.github.io/kuberay-helm/"
    """Helm repository; null where `chart` is a folder."""
    image: str | None = None
    """Image of the operator as repository:tag; absent: the chart's own."""
    crds: str = (
        "https://raw.githubusercontent.com/ray-project/kuberay/v{version}/"
        "helm-chart/kuberay-operator/crds"
    )
    """Folder or URL that holds ray.io_rayclusters.yaml and ray.io_rayservices.yaml. Helm installs
    CRDs once and never upgrades them, so they are a part of this stack."""
    keep_crds: bool = True
    """Leave the CRDs on `pulumi destroy`: deleting them deletes every RayCluster of everyone."""
