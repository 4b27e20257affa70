"""Metrics that nobody could read, and addresses of Ray's dashboard that lead nowhere."""

from typing import Any

import pytest

from tests.infra.rules.stack import errors, warnings
from tests.infra.rules.test_network_policies import GOOD

FROM = "rayline:network.policies.metricsFrom"


@pytest.mark.parametrize("scrape", ["podMonitor", "serviceMonitor", "annotations", "deckhouse"])
def test_prometheus_is_listed_in_the_policies(scrape: str) -> None:
    edits: dict[str, Any] = {"monitoring__scrape": scrape, "network__policies": GOOD}
    (message,) = errors(**edits).values()
    assert f"'{FROM}.pods[0].namespace'" in message
    listed = {**GOOD, "metricsFrom": {"pods": [{"namespace": "monitoring"}]}}
    assert errors(**{**edits, "network__policies": listed}) == {}
    assert errors(monitoring__scrape=scrape) == {}


def test_policies_without_monitoring_need_no_prometheus() -> None:
    assert errors(network__policies=GOOD) == {}


def test_labels_without_an_object() -> None:
    edits: dict[str, Any] = {"monitoring__labels": {"release": "prometheus"}}
    assert (
        "'rayline:monitoring.scrape' podMonitor" in warnings(**edits)["rayline:monitoring.labels"]
    )
    assert warnings(monitoring__scrape="podMonitor", **edits) == {}
    assert warnings(monitoring__alerts=True, **edits) == {}


def test_prometheus_is_no_grafana() -> None:
    edits = {"ray__grafanaHost": "https://a:9090", "ray__prometheusHost": "https://a:9090"}
    assert "'rayline:ray.grafanaHost'" in warnings(**edits)["rayline:ray.grafanaHost"]
    assert warnings(**{**edits, "ray__grafanaHost": "https://grafana"}) == {}


def test_an_address_for_browsers_needs_one_for_the_head() -> None:
    iframe = {"ray__grafanaIframeHost": "https://grafana.example.com"}
    message = errors(**iframe)["rayline:ray.grafanaIframeHost"]
    assert "'rayline:ray.grafanaHost' https://grafana.example.com" in message
    assert errors(ray__grafanaHost="http://grafana.monitoring", **iframe) == {}
