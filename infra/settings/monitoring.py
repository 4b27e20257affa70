"""`rayline:monitoring`."""

from typing import Annotated, Literal

from pydantic import Field

from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import Labels
from infra.settings.framework.text import Text

# https://prometheus.io/docs/prometheus/latest/configuration/configuration/#duration, in one unit
Interval = Annotated[
    str, Text(r"[1-9][0-9]{0,3}[sm]", "a whole number of seconds or minutes", "30s", 5)
]


class Monitoring(Settings):
    """How a monitoring system finds the metrics of head and workers
    (docs/how-to/scrape-metrics.md)."""

    # Not "off", which YAML 1.1 reads as false.
    scrape: Literal["none", "podMonitor", "serviceMonitor", "annotations", "deckhouse"] = "none"
    """How Prometheus finds the Ray pods. podMonitor, serviceMonitor: an object for the Prometheus
    operator, which must be installed. annotations: prometheus.io/scrape, port and path on the pods.
    deckhouse: the label and annotations that Deckhouse's Prometheus looks for. none: rayline makes
    nothing. annotations and deckhouse are part of the pods' templates: a change restarts the
    pods."""
    interval: Interval = "30s"
    """How often a PodMonitor or ServiceMonitor is scraped. Ray renews its metrics every 10
    seconds."""
    labels: Labels = Field({})
    """Labels of the objects for the Prometheus operator, by which a Prometheus selects them, such
    as release: kube-prometheus-stack."""
    alerts: bool = False
    """Make a PrometheusRule with rayline's alerts (docs/operations.md), for the Prometheus
    operator."""
    dashboards: bool = False
    """Make a ConfigMap per dashboard, for the sidecar of Grafana's chart. It has to look in the
    stack's namespace."""
    dashboard_labels: Labels = Field({"grafana_dashboard": "1"})
    """Labels by which the sidecar finds the dashboards."""
