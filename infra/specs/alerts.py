"""The alerts, as a PrometheusRule and as a plain file of rules.

Each has an entry of its name in docs/operations.md, which says what to do. Names of metrics are
those of a recorded scrape (tests/infra/monitoring).
"""

from dataclasses import dataclass

from infra.settings import StackSettings
from infra.specs import Spec

SELECTOR = "$S"
"""Where an expression selects series: always last between the braces, so that it may be empty."""
RUNBOOK = "docs/operations.md"
GROUP = "rayline"


@dataclass(frozen=True)
class Alert:
    """One rule. `minutes`: how long the condition has to hold."""

    name: str
    severity: str
    minutes: int
    expression: str
    summary: str

    def rule(self, selector: str) -> Spec:
        """As Prometheus reads it, for the series of this selector."""
        return {
            "alert": self.name,
            "expr": self.expression.replace(SELECTOR, selector),
            "for": f"{self.minutes}m",
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "runbook": f"{RUNBOOK}#{self.name.lower()}",
            },
        }


_REPLICAS = "count by (model_name) (ray_rayline_max_running_requests{$S})"
_SEEN = "max_over_time(ray_rayline_max_running_requests{$S}[30m])"
ALERTS: tuple[Alert, ...] = (
    Alert(
        "RaylineNotScraped",
        "critical",
        10,
        "absent(ray_node_mem_total{$S})",
        "Prometheus has no metrics of any Ray pod.",
    ),
    Alert(
        "RaylineModelDown",
        "critical",
        2,
        f"count by (model_name) ({_SEEN}) unless {_REPLICAS}",
        "No replica of {{ $labels.model_name }} is left.",
    ),
    Alert(
        "RaylineReplicaMissing",
        "warning",
        3,
        f"{_REPLICAS} < max_over_time(({_REPLICAS})[20m:30s])",
        "{{ $labels.model_name }} has fewer replicas than before.",
    ),
    Alert(
        "RaylineReplicasRestart",
        "warning",
        1,
        "count by (model_name) (count by (model_name, ReplicaId) "
        f"(count_over_time(ray_rayline_max_running_requests{{$S}}[1h]))) - {_REPLICAS} >= 3",
        "{{ $value }} replicas of {{ $labels.model_name }} were replaced within an hour.",
    ),
    Alert(
        "RaylineEngineStuck",
        "critical",
        5,
        "sum by (model_name, ReplicaId) (ray_vllm_num_requests_running{$S}) > 0 and "
        "sum by (model_name, ReplicaId) (rate(ray_vllm_generation_tokens_total{$S}[5m])) == 0",
        "A replica of {{ $labels.model_name }} has requests and generates no token.",
    ),
    Alert(
        "RaylineFull",
        "warning",
        5,
        "sum by (model_name) "
        '(rate(ray_rayline_refusals_total{reason="replica_concurrency",$S}[5m])) > 0',
        "{{ $labels.model_name }} refuses requests, because its replicas have as many as they may.",
    ),
    Alert(
        "RaylineSlowFirstToken",
        "warning",
        10,
        "histogram_quantile(0.95, sum by (model_name, le) "
        "(rate(ray_vllm_time_to_first_token_seconds_bucket{$S}[5m]))) > 10",
        "One in twenty requests to {{ $labels.model_name }} waits over 10 s for its first token.",
    ),
    Alert(
        "RaylinePreemptions",
        "warning",
        10,
        "sum by (model_name) (rate(ray_vllm_num_preemptions_total{$S}[5m])) > 0.05",
        "The KV cache of {{ $labels.model_name }} is too small for its requests.",
    ),
    Alert(
        "RaylineServerErrors",
        "critical",
        5,
        'sum by (model_name) (rate(ray_rayline_requests_total{status=~"5..",$S}[5m])) '
        "/ sum by (model_name) (rate(ray_rayline_requests_total{$S}[5m])) > 0.05",
        "Over 5 % of the answers of {{ $labels.model_name }} are errors of the server.",
    ),
    Alert(
        "RaylineLoginFlood",
        "warning",
        5,
        'sum(rate(ray_rayline_logins_total{outcome=~"failed|limited",$S}[5m])) > 0.2',
        "Over 12 logins per minute fail: somebody guesses passwords, or a program has an old one.",
    ),
    Alert(
        "RaylineModelCacheFull",
        "warning",
        15,
        'max by (model_name) (ray_rayline_model_cache_bytes{kind="free",$S}) '
        '/ max by (model_name) (ray_rayline_model_cache_bytes{kind="size",$S}) < 0.1',
        "The file system of the model cache is over 90 % full.",
    ),
)


def groups(selector: str = "") -> list[Spec]:
    """The rules of series with these matchers, such as `namespace="llm"`; all, if it is empty."""
    return [{"name": GROUP, "rules": [alert.rule(selector) for alert in ALERTS]}]


def rule_spec(settings: StackSettings) -> Spec:
    """The content of the PrometheusRule. The Prometheus operator labels series with the namespace
    of their pods, so that the rules are those of one stack."""
    return {"groups": groups(f'namespace="{settings.cluster.namespace}"')}
