"""What leads a monitoring system to the metrics of the Ray pods.

Head and workers export on the same port, under the name `metrics` (infra/specs/pods.py). Each way
gives the series the labels `namespace` and `pod`, which the dashboards and alerts use.
"""

from infra.settings import StackSettings
from infra.specs import Spec, alerts, dashboards, names

OPERATOR_API = "monitoring.coreos.com/v1"
"""Of the Prometheus operator: https://prometheus-operator.dev/docs/api-reference/api/"""
PORT_NAME = "metrics"
PATH = "/metrics"
SAMPLE_LIMIT = 20_000
"""Deckhouse drops a page with more samples. Ray's head has 2000 with one model (measured), and more
with each replica and node."""


def objects(settings: StackSettings) -> list[Spec]:
    """Every object that the stack makes for its monitoring."""
    return [
        *_services(settings),
        *_monitors(settings),
        *_rules(settings),
        *dashboards.config_maps(settings),
    ]


def _monitors(settings: StackSettings) -> list[Spec]:
    kind = {"podMonitor": "PodMonitor", "serviceMonitor": "ServiceMonitor"}.get(
        settings.monitoring.scrape
    )
    if kind is None:
        return []
    endpoints = "podMetricsEndpoints" if kind == "PodMonitor" else "endpoints"
    selector = (
        _ray_pods(settings) if kind == "PodMonitor" else {"matchLabels": _service_labels(settings)}
    )
    return [
        _object(
            settings,
            kind,
            settings.ray.name,
            {
                "selector": selector,
                "namespaceSelector": {"matchNames": [settings.cluster.namespace]},
                "podTargetLabels": [names.NODE_TYPE_LABEL, names.GROUP_LABEL],
                endpoints: [
                    {
                        "port": PORT_NAME,
                        "path": PATH,
                        "interval": settings.monitoring.interval,
                        # The same in every series, and long.
                        "metricRelabelings": [{"action": "labeldrop", "regex": "otel_scope_.*"}],
                    }
                ],
            },
        )
    ]


def _services(settings: StackSettings) -> list[Spec]:
    """The Service that a ServiceMonitor needs. It is headless, because nobody connects to it, and
    has pods that are not Ready too: they are the ones to look at."""
    if settings.monitoring.scrape != "serviceMonitor":
        return []
    metadata = names.metadata(settings, names.metrics_service(settings))
    port = {"name": PORT_NAME, "port": settings.ray.metrics_port, "targetPort": PORT_NAME}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**metadata, "labels": {**metadata["labels"], **_service_labels(settings)}},
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": {
                    "app.kubernetes.io/part-of": settings.ray.name,
                    names.RAY_NODE_LABEL: "yes",
                },
                "ports": [port],
            },
        }
    ]


def pod_labels(settings: StackSettings) -> dict[str, str]:
    """Labels of head and workers by which they are scraped.
    https://deckhouse.io/documentation/v1/modules/340-monitoring-custom/"""
    if settings.monitoring.scrape != "deckhouse":
        return {}
    return {"prometheus.deckhouse.io/custom-target": settings.ray.name}


def head_environment(settings: StackSettings) -> dict[str, str]:
    """Where Ray's dashboard finds Grafana and Prometheus, as far as it is said.
    https://docs.ray.io/en/releases-2.60.0/cluster/configure-manage-dashboard.html"""
    ray = settings.ray
    wanted = {
        "RAY_GRAFANA_HOST": ray.grafana_host,
        "RAY_GRAFANA_IFRAME_HOST": ray.grafana_iframe_host,
        "RAY_PROMETHEUS_HOST": ray.prometheus_host,
    }
    return {name: address for name, address in wanted.items() if address}


def pod_annotations(settings: StackSettings) -> dict[str, str]:
    """Annotations of head and workers by which they are scraped."""
    port = str(settings.ray.metrics_port)
    if settings.monitoring.scrape == "annotations":
        return {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": port,
            "prometheus.io/path": PATH,
        }
    if settings.monitoring.scrape == "deckhouse":
        return {
            "prometheus.deckhouse.io/port": port,
            "prometheus.deckhouse.io/sample-limit": str(SAMPLE_LIMIT),
        }
    return {}


def _rules(settings: StackSettings) -> list[Spec]:
    """The PrometheusRule; none unless it is wanted."""
    if not settings.monitoring.alerts:
        return []
    return [_object(settings, "PrometheusRule", settings.ray.name, alerts.rule_spec(settings))]


def _object(settings: StackSettings, kind: str, name: str, spec: Spec) -> Spec:
    metadata = names.metadata(settings, name)
    labels = {**settings.monitoring.labels, **metadata["labels"]}
    return {
        "apiVersion": OPERATOR_API,
        "kind": kind,
        "metadata": {**metadata, "labels": labels},
        "spec": spec,
    }


def _ray_pods(settings: StackSettings) -> Spec:
    return {
        "matchLabels": names.managed_labels(settings),
        "matchExpressions": [{"key": names.NODE_TYPE_LABEL, "operator": "Exists"}],
    }


def _service_labels(settings: StackSettings) -> dict[str, str]:
    return {
        "app.kubernetes.io/part-of": settings.ray.name,
        names.COMPONENT_LABEL: names.METRICS_COMPONENT,
    }
