"""`rayline:operator`."""

from pydantic import Field

from infra.settings.framework.base import DnsLabel, Settings


class Operator(Settings):
    """The KubeRay operator."""

    install: bool = True
    """Set to false when the cluster already runs a KubeRay operator; two cluster-wide operators
    conflict."""
    namespace: DnsLabel = "kuberay-system"
    """Namespace of the operator; created with it."""
    version: str = Field("1.6.2", pattern=r"^\d+\.\d+\.\d+$")
    """Version of the chart, the operator and the CRDs."""
    chart: str = "kuberay-operator"
    """Name of the chart in `repository`, or a folder."""
    repository: str | None = "https://ray-project.github.io/kuberay-helm/"
    """Helm repository; null when `chart` is a folder."""
    image: str | None = None
    """Image of the operator as repository:tag; absent: the chart's default."""
    crds: str = (
        "https://raw.githubusercontent.com/ray-project/kuberay/v{version}/"
        "helm-chart/kuberay-operator/crds"
    )
    """Folder or URL that contains ray.io_rayclusters.yaml and ray.io_rayservices.yaml. Helm
    installs CRDs once and never upgrades them, so this stack manages them."""
    keep_crds: bool = True
    """Keep the CRDs when `pulumi destroy` runs: deleting them deletes every RayCluster of every
    user of the cluster."""
