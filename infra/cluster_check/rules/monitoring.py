"""The Prometheus operator, where the stack makes objects for it."""

from infra.cluster_check.facts import ClusterFacts
from infra.cluster_check.registry import cluster_rule
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, error, key_path, listed, set_command
from infra.specs import monitoring

_SCRAPE = key_path("monitoring", "scrape")


@cluster_rule
def the_prometheus_operator_is_installed(
    settings: StackSettings, facts: ClusterFacts
) -> list[Problem]:
    """The cluster serves the kinds of the Prometheus operator that the stack makes. `up` would fail
    at that object."""
    made = monitoring.objects(settings)
    wanted = {each["kind"] for each in made if each["apiVersion"] == monitoring.OPERATOR_API}
    missing = sorted(wanted - facts.monitoring_kinds.value) if wanted else []
    if not missing:
        return []
    return [
        error(
            _SCRAPE,
            f"is {settings.monitoring.scrape}, but the cluster does not serve {listed(missing)} of "
            f"{monitoring.OPERATOR_API}: the Prometheus operator is not installed. "
            f"Type: {set_command(_SCRAPE, 'annotations')}, or install the operator",
        )
    ]
