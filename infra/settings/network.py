"""`rayline:network`."""

from typing import Annotated

from pydantic import Field

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import Line, ObjectName
from infra.settings.framework.text import Text
from infra.settings.network_policies import NetworkPolicies

# https://kubernetes.io/docs/concepts/configuration/configmap/
ConfigMapKey = Annotated[
    str, Text(r"[-._a-zA-Z0-9]+", "at most 253 letters, digits, -, _ and .", "ca.crt", 253)
]
NoProxyHost = Annotated[
    str, Text(r"[^\s,]+", "a host, a domain or a network, without a comma", "example.com", 253)
]


class CaConfigMap(Settings):
    """Certificates in an existing ConfigMap of the project's namespace."""

    name: ObjectName
    """Name of the ConfigMap."""
    key: ConfigMapKey = "ca.crt"
    """Key whose value is one or more certificates in PEM form."""


class Network(Settings):
    """How download Jobs and the build of the image reach other networks. Ray pods need no other
    network; whoever wants a proxy there sets it in ray.env."""

    http_proxy: Line | None = None
    """Proxy for http:// addresses, as http://host:port. One with a password belongs into the
    encrypted key proxyUrl, which replaces this one and httpsProxy."""
    https_proxy: Line | None = None
    """Proxy for https:// addresses, as http://host:port."""
    no_proxy: tuple[NoProxyHost, ...] = Field((), max_length=100)
    """Hosts and domains that are reached without the proxy, in addition to this machine and names
    inside the cluster (.svc, .cluster.local)."""
    ca_file: Line | None = None
    """File on the deploying machine with certificates (PEM) to trust in addition to the public
    ones: those of a proxy that decrypts, or of a mirror. For downloads, and for pip in builds with
    buildx."""
    ca_config_map: CaConfigMap | None = None
    """The same for downloads, from a ConfigMap that exists already."""
    policies: NetworkPolicies | None = None
    """Who may connect to the pods of the stack, and where these may connect to. Absent: rayline
    creates no NetworkPolicy."""
