"""`rayline:cluster`."""

from pydantic import Field

from infra.settings.framework.base import DnsLabel, Settings


class Cluster(Settings):
    """The Kubernetes cluster and rayline's place in it."""

    context: str = Field(min_length=1)
    """Context of the kubeconfig (KUBECONFIG or ~/.kube/config). The current context is never used,
    because that is how the wrong cluster gets changed."""
    namespace: DnsLabel = "kuberay-projects"
    """Namespace of everything except the operator."""
    create_namespace: bool = True
    """Set to false when the namespace already exists and is managed elsewhere."""
