"""The RayCluster that a resource belongs to."""

from dataclasses import dataclass

import pulumi

IDENTITY = ("namespace", "cluster")
"""Inputs whose change is a different RayCluster. The context is not among them: it is only this
machine's name of a Kubernetes cluster, which may be renamed."""
PLACE = ("context", *IDENTITY)


@dataclass(frozen=True, kw_only=True)
class RayClusterRef:
    """One RayCluster of one Kubernetes cluster."""

    context: pulumi.Input[str]
    """Context of the kubeconfig. A change is an update, which stores the new name."""
    namespace: pulumi.Input[str]
    """Namespace of the RayCluster."""
    cluster: pulumi.Input[str]
    """Name of the RayCluster, or of the RayService that creates it."""
