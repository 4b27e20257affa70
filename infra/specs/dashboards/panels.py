"""What the dashboards show: titles, units and queries."""

from dataclasses import dataclass

NAMESPACE = 'namespace=~"$namespace"'
MODEL = f'{NAMESPACE},model_name=~"$model"'


@dataclass(frozen=True)
class Panel:
    """One plot. `queries` are PromQL with the legend of their series."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    text: str = ""


def _rate(metric: str, by: str, where: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"


def _quantile(metric: str, quantile: float, where: str, by: str = "model_name") -> str:
    buckets = _rate(f"ray_vllm_{metric}_bucket", f"{by}, le", where)
    return f"histogram_quantile({quantile}, {buckets})"


def _quantiles(
    metric: str, where: str, quantiles: tuple[float, ...]
) -> tuple[tuple[str, str], ...]:
    return tuple(
        (_quantile(metric, each, where), f"{{{{model_name}}}} p{each * 100:g}")
        for each in quantiles
    )


_BY_MODEL, _BY_REPLICA = "{{model_name}}", "{{model_name}} {{ReplicaId}}"
OPERATOR: tuple[Panel, ...] = (
    Panel(
        "Generated tokens per second",
        "short",
        ((_rate("ray_vllm_generation_tokens_total", "model_name", NAMESPACE), _BY_MODEL),),
    ),
    Panel(
        "Tokens of prompts per second",
        "short",
        ((_rate("ray_vllm_prompt_tokens_total", "model_name", NAMESPACE), _BY_MODEL),),
    ),
    Panel(
        "Time to the first token",
        "s",
        _quantiles("time_to_first_token_seconds", NAMESPACE, (0.5, 0.95)),
    ),
    Panel(
        "Requests in the batch and in the queue",
        "short",
        (
            (
                f"sum by (model_name) (ray_vllm_num_requests_running{{{NAMESPACE}}})",
                "{{model_name}} running",
            ),
            (
                f"sum by (model_name) (ray_vllm_num_requests_waiting{{{NAMESPACE}}})",
                "{{model_name}} waiting",
            ),
        ),
    ),
    Panel(
        "KV cache, fullest replica",
        "percentunit",
        ((f"max by (model_name) (ray_vllm_kv_cache_usage_perc{{{NAMESPACE}}})", _BY_MODEL),),
    ),
    Panel(
        "Replicas",
        "short",
        ((f"count by (model_name) (ray_rayline_max_running_requests{{{NAMESPACE}}})", _BY_MODEL),),
    ),
    Panel(
        "Answers per second by status",
        "reqps",
        ((_rate("ray_rayline_requests_total", "status", NAMESPACE), "{{status}}"),),
    ),
    Panel(
        "Refusals per second by reason",
        "reqps",
        ((_rate("ray_rayline_refusals_total", "reason", NAMESPACE), "{{reason}}"),),
    ),
    Panel(
        "Logins per second by outcome",
        "reqps",
        ((_rate("ray_rayline_logins_total", "outcome", NAMESPACE), "{{outcome}}"),),
    ),
    Panel(
        "Generated tokens per second by role",
        "short",
        ((_rate("ray_rayline_completion_tokens_total", "role", NAMESPACE), "{{role}}"),),
    ),
    Panel(
        "Load of the cards",
        "percent",
        (
            (
                f"max by (ip, GpuIndex) (ray_node_gpus_utilization{{{NAMESPACE}}})",
                "{{ip}} card {{GpuIndex}}",
            ),
            (
                f"max by (Hostname, gpu) (DCGM_FI_DEV_GPU_UTIL{{{NAMESPACE}}})",
                "{{Hostname}} card {{gpu}} (DCGM)",
            ),
        ),
        "Ray reads it from the driver; DCGM's exporter too, where it runs.",
    ),
    Panel(
        "Used memory of the cards",
        "percentunit",
        (
            (
                f"ray_node_gram_used{{{NAMESPACE}}} / (ray_node_gram_used{{{NAMESPACE}}} "
                f"+ ray_node_gram_available{{{NAMESPACE}}})",
                "{{ip}} card {{GpuIndex}}",
            ),
            (
                f"DCGM_FI_DEV_FB_USED{{{NAMESPACE}}} / (DCGM_FI_DEV_FB_USED{{{NAMESPACE}}} "
                f"+ DCGM_FI_DEV_FB_FREE{{{NAMESPACE}}})",
                "{{Hostname}} card {{gpu}} (DCGM)",
            ),
        ),
    ),
    Panel(
        "Used memory of the pods' nodes",
        "percentunit",
        (
            (
                f"ray_node_mem_used{{{NAMESPACE}}} / ray_node_mem_total{{{NAMESPACE}}}",
                "{{RayNodeType}} {{ip}}",
            ),
        ),
        "Ray's view: of the container where it has a limit.",
    ),
    Panel(
        "Disk of the model cache",
        "percentunit",
        (
            (
                "1 - min by (model_name) "
                f'(ray_rayline_model_cache_bytes{{kind="free",{NAMESPACE}}}) / max by (model_name) '
                f'(ray_rayline_model_cache_bytes{{kind="size",{NAMESPACE}}})',
                _BY_MODEL,
            ),
        ),
    ),
    Panel(
        "Phases of the start",
        "s",
        (
            (
                f"max by (model_name, ReplicaId, phase) (ray_rayline_start_seconds{{{NAMESPACE}}})",
                "{{model_name}} {{ReplicaId}} {{phase}}",
            ),
        ),
    ),
)
PER_MODEL: tuple[Panel, ...] = (
    Panel(
        "Generated tokens per second",
        "short",
        (
            (
                _rate("ray_vllm_generation_tokens_total", "model_name, ReplicaId", MODEL),
                _BY_REPLICA,
            ),
        ),
    ),
    Panel(
        "Tokens of prompts per second",
        "short",
        ((_rate("ray_vllm_prompt_tokens_total", "model_name, ReplicaId", MODEL), _BY_REPLICA),),
    ),
    Panel(
        "Time to the first token",
        "s",
        _quantiles("time_to_first_token_seconds", MODEL, (0.5, 0.9, 0.99)),
    ),
    Panel(
        "Time between two tokens",
        "s",
        _quantiles("inter_token_latency_seconds", MODEL, (0.5, 0.99)),
    ),
    Panel("Whole requests", "s", _quantiles("e2e_request_latency_seconds", MODEL, (0.5, 0.99))),
    Panel("Time in the queue", "s", _quantiles("request_queue_time_seconds", MODEL, (0.5, 0.95))),
    Panel(
        "Requests in the batch and in the queue",
        "short",
        (
            (f"ray_vllm_num_requests_running{{{MODEL}}}", "{{ReplicaId}} running"),
            (f"ray_vllm_num_requests_waiting{{{MODEL}}}", "{{ReplicaId}} waiting"),
        ),
    ),
    Panel(
        "Places of the replicas that are taken",
        "percentunit",
        (
            (
                f"ray_rayline_running_requests{{{MODEL}}} "
                f"/ ray_rayline_max_running_requests{{{MODEL}}}",
                _BY_REPLICA,
            ),
        ),
        "At 100 % requests are refused with 429.",
    ),
    Panel("KV cache", "percentunit", ((f"ray_vllm_kv_cache_usage_perc{{{MODEL}}}", _BY_REPLICA),)),
    Panel(
        "Tokens of prompts found in the prefix cache",
        "percentunit",
        (
            (
                _rate("ray_vllm_prefix_cache_hits_total", "model_name", MODEL)
                + " / "
                + _rate("ray_vllm_prefix_cache_queries_total", "model_name", MODEL),
                _BY_MODEL,
            ),
        ),
    ),
    Panel(
        "Preemptions per second",
        "short",
        (
            (
                _rate("ray_vllm_num_preemptions_total", "model_name, ReplicaId", MODEL),
                _BY_REPLICA,
            ),
        ),
        "Requests that lost their place, because the KV cache was full.",
    ),
    Panel(
        "Answers per second by route and status",
        "reqps",
        ((_rate("ray_rayline_requests_total", "route, status", MODEL), "{{route}} {{status}}"),),
    ),
    Panel(
        "Why answers ended",
        "reqps",
        (
            (
                _rate("ray_vllm_request_success_total", "finished_reason", MODEL),
                "{{finished_reason}}",
            ),
        ),
    ),
    Panel(
        "Generated tokens per second by role",
        "short",
        ((_rate("ray_rayline_completion_tokens_total", "role", MODEL), "{{role}}"),),
    ),
    Panel(
        "Length of prompts",
        "short",
        _quantiles("request_prompt_tokens", MODEL, (0.5, 0.95)),
        "In tokens.",
    ),
    Panel(
        "Length of answers",
        "short",
        _quantiles("request_generation_tokens", MODEL, (0.5, 0.95)),
        "In tokens.",
    ),
)
