"""The Prometheus operator, where the stack makes objects for it."""

from infra.cluster_check.facts import ClusterFacts
from infra.cluster_check.registry import cluster_rule
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, error, key_path, set_command
from infra.specs import monitoring

_SCRAPE, _ALERTS = key_path("monitoring", "scrape"), key_path("monitoring", "alerts")


@cluster_rule
def the_prometheus_operator_is_installed(
    settings: StackSettings, facts: ClusterFacts
) -> list[Problem]:
    """The cluster serves the kinds of the Prometheus operator that the stack makes. `up` would fail
    at that object."""
    made = monitoring.objects(settings)
    wanted = {each["kind"] for each in made if each["apiVersion"] == monitoring.OPERATOR_API}
    missing = sorted(wanted - facts.monitoring_kinds.value) if wanted else []
    return [_missing(settings, kind) for kind in missing]


def _missing(settings: StackSettings, kind: str) -> Problem:
    alert = kind == "PrometheusRule"
    key, given = (_ALERTS, "true") if alert else (_SCRAPE, settings.monitoring.scrape)
    instead = set_command(*((key, False) if alert else (key, "annotations")))
    return error(
        key,
        f"is {given}, but the cluster does not serve {kind} of {monitoring.OPERATOR_API}: the "
        f"Prometheus operator is not installed. Type: {instead}, or install the operator",
    )
