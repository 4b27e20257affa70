"""Clusters without the Prometheus operator, for stacks that make objects for it."""

from collections.abc import Mapping
from dataclasses import replace

from infra.cluster_check.facts import known
from tests.infra.cluster_check.cases import Case, case
from tests.infra.cluster_check.clusters import GOOD

MONITORING_CASES: Mapping[str, tuple[Case, ...]] = {
    "the_prometheus_operator_is_installed": (
        case(
            GOOD,
            "error",
            "rayline:monitoring.scrape is podMonitor",
            "does not serve PodMonitor of monitoring.coreos.com/v1",
            "'rayline:monitoring.scrape' annotations",
            monitoring__scrape="podMonitor",
        ),
        case(
            replace(GOOD, monitoring_kinds=known(frozenset({"PodMonitor"}))),
            "error",
            "does not serve ServiceMonitor of",
            monitoring__scrape="serviceMonitor",
        ),
        case(
            replace(GOOD, monitoring_kinds=known(frozenset({"PodMonitor"}))),
            "error",
            "rayline:monitoring.alerts is true",
            "'rayline:monitoring.alerts' false",
            monitoring__alerts=True,
            monitoring__scrape="podMonitor",
        ),
    ),
}
