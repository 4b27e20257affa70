"""`rayline:cluster`."""

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import DnsLabel, Line


class Cluster(Settings):
    """The Kubernetes cluster and rayline's place in it."""

    context: Line
    """Context of the kubeconfig (KUBECONFIG or ~/.kube/config). The current context is never used,
    because that is how the wrong cluster gets changed."""
    namespace: DnsLabel = "kuberay-projects"
    """Namespace of everything except the operator."""
    create_namespace: bool = True
    """Set to false when the namespace already exists and is managed elsewhere."""
