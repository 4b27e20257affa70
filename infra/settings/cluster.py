"""`rayline:cluster`."""

from typing import Annotated, Literal

from pydantic import Field

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import DnsLabel, Line
from infra.settings.framework.text import Text

# A kind in lower case, and a DNS subdomain.
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
Adopted = Annotated[
    str,
    Text(
        r"[a-z]+/[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?",
        "an object as kind/name, in lower case",
        "secret/auth-config",
        317,
    ),
]


class Cluster(Settings):
    """The Kubernetes cluster and rayline's place in it."""

    context: Line
    """Context of the kubeconfig (KUBECONFIG or ~/.kube/config). The current context is never used,
    because that is how the wrong cluster gets changed."""
    namespace: DnsLabel = "kuberay-projects"
    """Namespace of everything except the operator."""
    create_namespace: bool = True
    """Set to false when the namespace already exists and is managed elsewhere."""
    pod_security: Literal["auto", "baseline", "restricted", "privileged", "none"] = "auto"
    """Pod Security level that the namespace enforces, if this stack creates it. auto: the strictest
    that admits all pods of the stack, which is restricted unless a podTemplate or
    storage.fixPermissions asks for more; none where not even baseline does, and for a namespace in
    `adopt`. none: the label is left to others."""
    adopt: tuple[Adopted, ...] = Field((), max_length=1000)
    """Objects that existed before, as kind/name: persistentvolumeclaim/model-cache-pvc. rayline
    takes them over and changes them, but does not delete them while they are listed here. It
    refuses to touch any other object that this stack did not create."""
