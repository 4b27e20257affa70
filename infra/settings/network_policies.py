"""`rayline:network.policies`."""

from typing import Annotated

from pydantic import Field

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import DnsLabel, Labels
from infra.settings.serve import Network

TcpPort = Annotated[int, Field(ge=1, le=65535)]
"""A port of another program."""


class Pods(Settings):
    """Pods of a namespace."""

    namespace: DnsLabel
    """Name of the namespace."""
    labels: Labels = Field({})
    """Labels of the pods; empty: all pods of the namespace."""


class Sources(Settings):
    """Who may connect: pods, by namespace and labels, and networks."""

    pods: tuple[Pods, ...] = Field((), max_length=100)
    """Pods of other namespaces, or of the stack's own."""
    networks: tuple[Network, ...] = Field((), max_length=100)
    """Networks such as 10.0.0.0/8, for clients that are no pods."""


class NetworkPolicies(Settings):
    """NetworkPolicies for the pods of the stack. Nobody else than listed here can connect to them,
    and they connect to each other, to DNS and to the hub only. They need a network plug-in that
    enforces NetworkPolicies (docs/how-to/network-policies.md)."""

    api_from: Sources = Sources()
    """Who may connect to the API (`serve.port`): the ingress controller, and clients inside the
    cluster. With a load balancer or a node port also the networks of clients or nodes."""
    metrics_from: Sources = Sources()
    """Who may connect to Ray's metrics (`ray.metricsPort`)."""
    control_plane: Sources = Sources()
    """Where connections come from that the API server makes for its clients: the addresses of the
    control plane, or the pods of its tunnel (konnectivity-agent). `up` reaches Ray's REST API this
    way."""
    ray_egress_ports: tuple[TcpPort, ...] = Field((), max_length=100)
    """TCP ports outside the cluster of Ray that head and workers may connect to, at any address.
    Prometheus and Grafana, and 80 and 443 where media may be fetched, are open without this."""
    download_egress_ports: tuple[TcpPort, ...] = Field((), max_length=100)
    """TCP ports that download Jobs may connect to, at any address, in addition to those of
    `hub.endpoint` and of the proxies. List the port of proxyUrl here, which is encrypted, and the
    port of the pods behind a mirror that is a Service."""
