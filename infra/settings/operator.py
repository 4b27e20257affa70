"""`rayline:operator`."""

from typing import Literal

from pydantic import Field, JsonValue

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import DnsLabel, Line, Path, Version


class Operator(Settings):
    """The KubeRay operator."""

    install: bool = True
    """Set to false when the cluster already runs a KubeRay operator; two cluster-wide operators
    conflict."""
    namespace: DnsLabel = "kuberay-system"
    """Namespace of the operator; created with it."""
    version: Version = "1.6.2"
    """Version of the chart, the operator and the CRDs."""
    chart: Path = "kuberay-operator"
    """Name of the chart in `repository`, or a folder."""
    repository: Line | None = "https://ray-project.github.io/kuberay-helm/"
    """Helm repository; null when `chart` is a folder."""
    image: Line | None = None
    """Image of the operator as repository:tag; absent: the chart's default."""
    watch: Literal["namespace", "cluster"] = "namespace"
    """namespace: the operator watches the stack's namespace, and has rights in it alone. cluster:
    it watches all namespaces, for stacks that have no operator of their own, and may read every
    Secret of the cluster. `watchNamespace` and `singleNamespaceInstall` in `values` replace
    this."""
    values: dict[str, JsonValue] = Field({})
    """Further values of the chart, for example watchNamespace, resources or tolerations."""
    crds: Path = (
        "https://raw.githubusercontent.com/ray-project/kuberay/v{version}/"
        "helm-chart/kuberay-operator/crds"
    )
    """Folder or URL that contains ray.io_rayclusters.yaml and ray.io_rayservices.yaml. Helm
    installs CRDs once and never upgrades them, so this stack manages them."""
    keep_crds: bool = True
    """Keep the CRDs when `pulumi destroy` runs: deleting them deletes every RayCluster of every
    user of the cluster."""
