"""`rayline:serve`."""

from typing import Literal

from pydantic import Field

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import Annotations, HostName, ObjectName, Port


class Ingress(Settings):
    """Access to the API from outside the cluster. The dashboard never gets an Ingress."""

    host: HostName
    """Host name, for example llm.example.com."""
    class_name: ObjectName | None = None
    """Ingress class; absent: the cluster's default."""
    tls_secret: ObjectName | None = None
    """Existing Secret with the certificate; absent: the Ingress has no TLS."""
    annotations: Annotations = Field({})
    """Annotations for the ingress controller, for example longer timeouts for streams."""


class Serve(Settings):
    """How the Serve applications are deployed, and how clients reach the API."""

    delivery: Literal["restApi", "rayService"] = "restApi"
    """restApi: rayline posts the applications to Ray and waits until they are RUNNING; a change
    touches only what it names. rayService: KubeRay posts them and restores them by itself when the
    head is lost, but `up` waits only for the first start and for a new cluster, not for a changed
    model."""
    port: Port = 8000
    """Port of Serve's proxies and of the API's Service."""
    ingress: Ingress | None = None
    """Absent: the API is reachable inside the cluster only."""
    replace_foreign: bool = False
    """Whether Ray may delete Serve applications that this stack did not create. When false, `up`
    fails and names them."""
