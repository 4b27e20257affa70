"""The RayCluster that a resource belongs to."""

from dataclasses import dataclass

import pulumi

IDENTITY = ("context", "namespace", "cluster")


@dataclass(frozen=True, kw_only=True)
class RayClusterRef:
    """One RayCluster of one Kubernetes cluster; a change of any field is a different RayCluster."""

    context: pulumi.Input[str]
    """Context of the kubeconfig."""
    namespace: pulumi.Input[str]
    """Namespace of the RayCluster."""
    cluster: pulumi.Input[str]
    """Name of the RayCluster, or of the RayService that creates it."""
