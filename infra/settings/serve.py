"""`rayline:serve`."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import Field

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import Annotations, HostName, LabelKey, ObjectName, Port
from infra.settings.framework.text import Text


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


_NETWORK_WORDS = "an IPv4 or IPv6 network as address/bits, without bits set in the host's part"


def _no_network(text: str) -> str | None:
    return None if _network_of(text) == text.lower() else _NETWORK_WORDS


def _network_of(text: str) -> str | None:
    """The network that an address is in; None if the text contains no address."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return None


Network = Annotated[
    str,
    Text(
        r"[0-9a-fA-F.:]+/[0-9]{1,3}",
        _NETWORK_WORDS,
        "10.0.0.0/8",
        64,
        refine=_no_network,
        repair=_network_of,
    ),
]


class ServeService(Settings):
    """The API's Service, for access from outside without an Ingress. It speaks plain HTTP."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """ClusterIP: reachable inside the cluster only. NodePort: on a port of every node.
    LoadBalancer: at an address that the cluster's load balancer assigns."""
    annotations: Annotations = Field({})
    """Annotations for the controller of the load balancer."""
    node_port: int | None = Field(None, ge=1, le=65535)
    """Port on the nodes, by default within 30000-32767; absent: Kubernetes chooses one."""
    load_balancer_class: LabelKey | None = None
    """Class of the load balancer; absent: the cluster's default. It cannot change later."""
    load_balancer_source_ranges: tuple[Network, ...] = Field((), max_length=1000)
    """Networks whose clients the load balancer admits, for example 10.0.0.0/8; empty: all."""


class Serve(Settings):
    """How the Serve applications are deployed, and how clients reach the API."""

    delivery: Literal["restApi", "rayService"] = "restApi"
    """restApi: rayline posts the applications to Ray and waits until they are RUNNING; a change
    touches only what it names. rayService: KubeRay posts them, and `up` waits until they run. Both
    restore them when the head is lost. A change is refused while the cluster exists, and names the
    commands that delete it."""
    port: Port = 8000
    """Port of Serve's proxies and of the API's Service."""
    ingress: Ingress | None = None
    """Absent: the API is reachable inside the cluster only, unless `service` exposes it."""
    service: ServeService = ServeService()
    """The API's Service."""
    replace_foreign: bool = False
    """Whether Ray may delete Serve applications that this stack did not create. When false, `up`
    fails and names them."""
