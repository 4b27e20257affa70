"""The ways in which Prometheus finds head and workers."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from infra.settings import StackSettings, parse
from infra.specs import monitoring, names
from infra.specs.ownership import planned
from infra.specs.pods import head_template, worker_template
from tests.infra.specs.policies import selects
from tests.stacks import values

IMAGE = "registry.example.com/llm@sha256:" + "0" * 64
OPERATOR = {"podMonitor": "PodMonitor", "serviceMonitor": "ServiceMonitor"}
DOWNLOAD = {names.COMPONENT_LABEL: names.DOWNLOAD_COMPONENT}


def stack(scrape: str, **changes: Any) -> StackSettings:
    return parse(values(monitoring__scrape=scrape, **changes))


def pods(settings: StackSettings) -> list[tuple[Mapping[str, Any], str]]:
    """Head and worker as KubeRay makes them, with their role."""
    made: list[tuple[Mapping[str, Any], str]] = []
    for kind, template in (
        ("head", head_template(settings, IMAGE)),
        ("worker", worker_template(settings, settings.gpu_groups[0], IMAGE)),
    ):
        labels = template["metadata"]["labels"]
        own = {"ray.io/node-type": kind, "ray.io/is-ray-node": "yes"}
        made.append(
            ({**template, "metadata": {**template["metadata"], "labels": {**labels, **own}}}, kind)
        )
    return made


def metrics_ports(pod: Mapping[str, Any]) -> list[int]:
    return [
        port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
        if port["name"] == monitoring.PORT_NAME
    ]


def test_a_pod_monitor_selects_head_and_workers_and_nothing_else() -> None:
    settings = stack("podMonitor", ray__metricsPort=9001)
    (monitor,) = monitoring.objects(settings)
    for pod, _ in pods(settings):
        assert selects(monitor["spec"]["selector"], pod["metadata"]["labels"])
        assert metrics_ports(pod) == [9001]
    assert not selects(monitor["spec"]["selector"], {**names.managed_labels(settings), **DOWNLOAD})
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] == monitoring.PORT_NAME


def test_a_service_monitor_selects_its_service_and_that_the_pods() -> None:
    settings = stack("serviceMonitor", ray__metricsPort=9001)
    service, monitor = monitoring.objects(settings)
    assert selects(monitor["spec"]["selector"], service["metadata"]["labels"])
    selector = {"matchLabels": service["spec"]["selector"]}
    for pod, _ in pods(settings):
        assert selects(selector, pod["metadata"]["labels"])
    assert not selects(selector, {**names.managed_labels(settings), **DOWNLOAD})
    (port,) = service["spec"]["ports"]
    assert (port["name"], port["port"], port["targetPort"]) == ("metrics", 9001, "metrics")
    # It is in the namespace, and the API's Service is not scraped.
    assert not selects(monitor["spec"]["selector"], names.managed_labels(settings))


@pytest.mark.parametrize("scrape", OPERATOR)
def test_a_prometheus_selects_the_object_by_its_labels(scrape: str) -> None:
    labels = {"release": "prometheus", "app.kubernetes.io/part-of": "mine"}
    settings = stack(scrape, monitoring__labels=labels, monitoring__interval="15s")
    monitor = monitoring.objects(settings)[-1]
    assert (monitor["apiVersion"], monitor["kind"]) == (monitoring.OPERATOR_API, OPERATOR[scrape])
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    # Ours win: destroy and status find objects by them.
    assert monitor["metadata"]["labels"]["app.kubernetes.io/part-of"] == settings.ray.name
    endpoints = monitor["spec"].get("podMetricsEndpoints") or monitor["spec"]["endpoints"]
    assert [each["interval"] for each in endpoints] == ["15s"]


@pytest.mark.parametrize("delivery", ["restApi", "rayService"])
def test_a_ray_service_whose_clusters_have_other_names_is_found(delivery: str) -> None:
    settings = stack("serviceMonitor", serve__delivery=delivery)
    service = monitoring.objects(settings)[0]
    assert "ray.io/cluster" not in service["spec"]["selector"]


def test_annotations_name_the_port() -> None:
    settings = stack("annotations", ray__metricsPort=9001)
    assert monitoring.objects(settings) == []
    for pod, _ in pods(settings):
        annotations = pod["metadata"]["annotations"]
        assert annotations["prometheus.io/scrape"] == "true"
        assert annotations["prometheus.io/port"] == "9001"
        assert annotations["prometheus.io/path"] == "/metrics"


def test_deckhouse_has_its_label_and_annotations() -> None:
    settings = stack("deckhouse", ray__name="llm")
    assert monitoring.objects(settings) == []
    for pod, _ in pods(settings):
        assert pod["metadata"]["labels"]["prometheus.deckhouse.io/custom-target"] == "llm"
        assert pod["metadata"]["annotations"]["prometheus.deckhouse.io/port"] == "8080"


@pytest.mark.parametrize("scrape", ["annotations", "deckhouse"])
def test_the_users_own_annotation_wins(scrape: str) -> None:
    name = "prometheus.io/port" if scrape == "annotations" else "prometheus.deckhouse.io/port"
    settings = stack(scrape, ray__annotations={name: "1"})
    for pod, _ in pods(settings):
        assert pod["metadata"]["annotations"][name] == "1"


def test_nothing_is_made_unless_it_is_wanted() -> None:
    settings, plain = stack("none"), parse(values())
    assert monitoring.objects(settings) == []
    assert pods(settings) == pods(plain)


def test_the_alerts_are_those_of_the_stacks_namespace() -> None:
    settings = stack("none", monitoring__alerts=True, monitoring__labels={"release": "a"})
    (rule,) = monitoring.objects(settings)
    assert (rule["apiVersion"], rule["kind"]) == (monitoring.OPERATOR_API, "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "a"
    (group,) = rule["spec"]["groups"]
    metric = re.compile(r"ray_\w+(\{[^}]*\})?")
    for each in group["rules"]:
        selectors = [found[1] for found in metric.finditer(each["expr"])]
        assert selectors
        for selector in selectors:
            assert f'namespace="{settings.cluster.namespace}"' in selector, each["alert"]


def test_dashboards_are_config_maps_with_the_sidecars_label() -> None:
    settings = stack("none", monitoring__dashboards=True)
    made = monitoring.objects(settings)
    assert [each["kind"] for each in made] == ["ConfigMap", "ConfigMap"]
    uids = set()
    for each in made:
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        ((name, text),) = each["data"].items()
        assert name.endswith(".json")
        uids.add(json.loads(text)["uid"])
    assert len(uids) == 2
    other = stack("none", monitoring={"dashboards": True, "dashboardLabels": {"mine": "x"}})
    labels = monitoring.objects(other)[0]["metadata"]["labels"]
    assert labels["mine"] == "x"
    assert "grafana_dashboard" not in labels


@pytest.mark.parametrize("scrape", OPERATOR)
def test_every_object_is_planned_for_ownership(scrape: str) -> None:
    settings = stack(scrape, monitoring__alerts=True, monitoring__dashboards=True)
    keys = [(each["kind"], each["name"]) for each in planned(settings, [], download_secret=False)]
    for made in monitoring.objects(settings):
        assert (made["kind"], made["metadata"]["name"]) in keys
