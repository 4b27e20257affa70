"""`rayline:network`."""

from typing import Annotated

from pydantic import Field, StringConstraints

from infra.settings.framework.base import Settings

# https://kubernetes.io/docs/concepts/configuration/configmap/: a DNS subdomain, and its keys.
ConfigMapName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
ConfigMapKey = Annotated[
    str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)
]
NoProxyHost = Annotated[str, StringConstraints(pattern=r"^[^\s,]+$")]


class CaConfigMap(Settings):
    """Certificates in an existing ConfigMap of the project's namespace."""

    name: ConfigMapName
    """Name of the ConfigMap."""
    key: ConfigMapKey = "ca.crt"
    """Key whose value is one or more certificates in PEM form."""


class Network(Settings):
    """How download Jobs and the build of the image reach other networks. Ray pods need no other
    network; whoever wants a proxy there sets it in ray.env."""

    http_proxy: str | None = None
    """Proxy for http:// addresses, as http://host:port. One with a password belongs into the
    encrypted key proxyUrl, which replaces this one and httpsProxy."""
    https_proxy: str | None = None
    """Proxy for https:// addresses, as http://host:port."""
    no_proxy: tuple[NoProxyHost, ...] = Field(())
    """Hosts and domains that are reached without the proxy, in addition to this machine and names
    inside the cluster (.svc, .cluster.local)."""
    ca_file: str | None = None
    """File on the deploying machine with certificates (PEM) to trust in addition to the public
    ones: those of a proxy that decrypts, or of a mirror. For downloads, and for pip in builds with
    buildx."""
    ca_config_map: CaConfigMap | None = None
    """The same for downloads, from a ConfigMap that exists already."""
