"""The NetworkPolicies of a stack: who may connect to its pods, and where these may connect to.

A pod that a policy selects refuses whatever no policy allows. Policies add up, so users may open
more with their own. A node may always connect to its pods (kubelet's probes), and `kubectl
port-forward` uses that way too. https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

import re
from collections.abc import Iterable

from infra.settings import StackSettings
from infra.settings.network_policies import NetworkPolicies, Sources
from infra.specs import Spec, names

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Kubernetes sets it on every namespace."""
OPERATOR_LABELS = {"app.kubernetes.io/name": "kuberay-operator"}
"""Labels of the operator's pods in KubeRay's chart."""
DNS: Spec = {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}
"""Name servers may be pods, nodes (NodeLocal DNSCache) or outside, so their address is open."""
WEB = (80, 443)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def network_policies(settings: StackSettings) -> list[Spec]:
    """The policies; none unless `network.policies` is set."""
    wanted = settings.network.policies
    if wanted is None:
        return []
    return [_ray(settings, wanted), _head(settings, wanted), _downloads(settings, wanted)]


def _ray(settings: StackSettings, wanted: NetworkPolicies) -> Spec:
    """Head and workers: every port for each other, the API and the metrics for those listed.

    Ray's own ports, those of the replicas and of HAProxy's statistics are partly chosen at
    random, so they are not listed one by one.
    """
    mates = {"podSelector": _ray_pods(settings)}
    media = any(settings.api.changed_by(model.api).media_domains for model in settings.models)
    outside = {*wanted.ray_egress_ports, *(WEB if media else ())}
    return _policy(
        settings,
        "ray",
        _ray_pods(settings),
        [
            {"from": [mates]},
            *_open(wanted.api_from, settings.serve.port),
            *_open(wanted.metrics_from, settings.ray.metrics_port),
        ],
        [{"to": [mates]}, DNS, *_anywhere(outside)],
    )


def _head(settings: StackSettings, wanted: NetworkPolicies) -> Spec:
    """What the head alone has: Ray's REST API, for the API server's proxy and for the operator of
    KubeRay, and the addresses that the dashboard draws its plots from.

    With a RayService the operator posts the applications, and asks the proxy on the head for its
    health (ray-operator/controllers/ray/utils/dashboardclient and httpproxy_httpclient.go of
    https://github.com/ray-project/kuberay/tree/v1.6.2).
    """
    selector = {
        "matchLabels": {**_ours(settings), names.NODE_TYPE_LABEL: "head"},
    }
    operator: Spec = {
        "from": [_pods(settings.operator.namespace, OPERATOR_LABELS)],
        "ports": [_tcp(names.DASHBOARD_PORT), _tcp(settings.serve.port)],
    }
    plots = _ports((settings.ray.prometheus_host, settings.ray.grafana_host))
    return _policy(
        settings,
        "head",
        selector,
        [
            *_open(wanted.control_plane, names.DASHBOARD_PORT),
            *([operator] if settings.serve.delivery == "rayService" else []),
        ],
        _anywhere(plots),
    )


def _downloads(settings: StackSettings, wanted: NetworkPolicies) -> Spec:
    """Download Jobs: nobody connects to them, and they reach the hub or the proxies. The addresses
    of a hub change with its content delivery network, so only the ports are given."""
    proxies = (settings.network.http_proxy, settings.network.https_proxy)
    ports = _ports((settings.hub.endpoint, *proxies))
    selector = {"matchLabels": {**_ours(settings), names.COMPONENT_LABEL: names.DOWNLOAD_COMPONENT}}
    outside = {*ports, *wanted.download_egress_ports}
    return _policy(settings, "downloads", selector, [], [DNS, *_anywhere(outside)])


def _policy(
    settings: StackSettings, suffix: str, selector: Spec, ingress: list[Spec], egress: list[Spec]
) -> Spec:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": names.metadata(settings, f"{settings.ray.name}-{suffix}"),
        "spec": {
            "podSelector": selector,
            "policyTypes": ["Ingress", "Egress"],
            **({"ingress": ingress} if ingress else {}),
            **({"egress": egress} if egress else {}),
        },
    }


def _ours(settings: StackSettings) -> dict[str, str]:
    return names.managed_labels(settings)


def _ray_pods(settings: StackSettings) -> Spec:
    return {
        "matchLabels": _ours(settings),
        "matchExpressions": [{"key": names.NODE_TYPE_LABEL, "operator": "Exists"}],
    }


def _open(sources: Sources, port: int) -> list[Spec]:
    """A rule for a port; none without sources, because a rule without them admits everybody."""
    peers = [
        *(_pods(each.namespace, each.labels) for each in sources.pods),
        *({"ipBlock": {"cidr": network}} for network in sources.networks),
    ]
    return [{"from": peers, "ports": [_tcp(port)]}] if peers else []


def _pods(namespace: str, labels: Spec) -> Spec:
    return {
        "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: namespace}},
        **({"podSelector": {"matchLabels": dict(labels)}} if labels else {}),
    }


def _anywhere(ports: Iterable[int]) -> list[Spec]:
    listed = sorted(set(ports))
    return [{"ports": [_tcp(port) for port in listed]}] if listed else []


def _tcp(port: int) -> Spec:
    return {"protocol": "TCP", "port": port}


def _ports(addresses: Iterable[str | None]) -> list[int]:
    """The ports of addresses such as https://a:8443; nothing for what is no such address."""
    matched = (
        re.match(r"(https?)://[^/]*?(?::([0-9]+))?(?:/|$)", each or "") for each in addresses
    )
    return [int(each[2] or _DEFAULT_PORTS[each[1]]) for each in matched if each]
