"""Metrics that nobody could read, and addresses of Ray's dashboard that lead nowhere."""

from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import (
    Problem,
    error,
    key_path,
    remove_command,
    set_command,
    warning,
)

_FROM = key_path("network", "policies", "metricsFrom")


@rule
def prometheus_may_connect_to_the_metrics(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """A NetworkPolicy that lists nobody closes the port, and Prometheus then has no target that
    answers."""
    policies, scrape = settings.network.policies, settings.monitoring.scrape
    if policies is None or scrape == "none":
        return []
    if policies.metrics_from.pods or policies.metrics_from.networks:
        return []
    return [
        error(
            _FROM,
            f"is empty, but rayline:monitoring.scrape is {scrape}, and the policies of the stack "
            "let nobody else connect to the metrics. "
            f"Type: {set_command(f'{_FROM}.pods[0].namespace', '<namespace of Prometheus>')}",
        )
    ]


@rule
def labels_select_an_object(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """The labels are those of objects for the Prometheus operator; without such an object they have
    no effect."""
    wanted = settings.monitoring
    if not wanted.labels or wanted.alerts or wanted.scrape in ("podMonitor", "serviceMonitor"):
        return []
    key = key_path("monitoring", "scrape")
    return [
        warning(
            key_path("monitoring", "labels"),
            f"has no effect with rayline:{key.removeprefix('rayline:')} {wanted.scrape}, which "
            "makes no object for the Prometheus operator. "
            f"Type: {set_command(key, 'podMonitor')}, or: "
            f"{remove_command(key_path('monitoring', 'labels'))}",
        )
    ]


@rule
def the_plots_are_grafanas(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Ray's dashboard embeds panels of Grafana, which it looks for at RAY_GRAFANA_HOST
    (https://docs.ray.io/en/releases-2.60.0/cluster/configure-manage-dashboard.html)."""
    ray = settings.ray
    problems = []
    grafana = key_path("ray", "grafanaHost")
    if ray.grafana_host is not None and ray.grafana_host == ray.prometheus_host:
        problems.append(
            warning(
                grafana,
                f"is {ray.grafana_host}, which is rayline:ray.prometheusHost too; the plots are "
                "panels of Grafana, and Prometheus has none. "
                f"Type: {set_command(grafana, '<address of Grafana>')}, or: "
                f"{remove_command(grafana)}",
            )
        )
    if ray.grafana_host is None and ray.grafana_iframe_host is not None:
        iframe = key_path("ray", "grafanaIframeHost")
        problems.append(
            error(
                iframe,
                "has no effect without rayline:ray.grafanaHost, by which the head asks whether "
                f"Grafana runs. Type: {set_command(grafana, ray.grafana_iframe_host)}, or: "
                f"{remove_command(iframe)}",
            )
        )
    return problems
