"""For each alert a situation in which it fires, and one like it in which it does not.

Values are in promtool's notation, one per 30 seconds:
https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series
"""

from collections.abc import Mapping
from dataclasses import dataclass

A, B, C, D = (f'model_name="m",ReplicaId="{name}"' for name in "abcd")
REPLICA = "ray_rayline_max_running_requests"
LOGINS = "ray_rayline_logins_total"


@dataclass(frozen=True)
class Case:
    """`minute`: when it is looked at. `labels`: of the alert, beside its severity."""

    fires: Mapping[str, str]
    quiet: Mapping[str, str]
    minute: int
    labels: Mapping[str, str]
    value: str = ""
    """What `$value` is in the summary."""


MODEL = {"model_name": "m"}
ONE = {"model_name": "m", "ReplicaId": "a"}
CASES: Mapping[str, Case] = {
    "RaylineNotScraped": Case({}, {"ray_node_mem_total{}": "1+0x40"}, 11, {}),
    "RaylineModelDown": Case(
        {f"{REPLICA}{{{A}}}": "8+0x10 stale"}, {f"{REPLICA}{{{A}}}": "8+0x40"}, 9, MODEL
    ),
    "RaylineReplicaMissing": Case(
        {f"{REPLICA}{{{A}}}": "8+0x40", f"{REPLICA}{{{B}}}": "8+0x10 stale"},
        {f"{REPLICA}{{{A}}}": "8+0x40", f"{REPLICA}{{{B}}}": "8+0x40"},
        10,
        MODEL,
    ),
    "RaylineReplicasRestart": Case(
        {
            f"{REPLICA}{{{A}}}": "8+0x5 stale",
            f"{REPLICA}{{{B}}}": "_x7 8+0x5 stale",
            f"{REPLICA}{{{C}}}": "_x14 8+0x5 stale",
            f"{REPLICA}{{{D}}}": "_x21 8+0x40",
        },
        {
            f"{REPLICA}{{{A}}}": "8+0x5 stale",
            f"{REPLICA}{{{B}}}": "_x7 8+0x5 stale",
            f"{REPLICA}{{{D}}}": "_x21 8+0x40",
        },
        20,
        MODEL,
        "3",
    ),
    "RaylineEngineStuck": Case(
        {
            f"ray_vllm_num_requests_running{{{A}}}": "2+0x40",
            f"ray_vllm_generation_tokens_total{{{A}}}": "500+0x40",
        },
        {
            f"ray_vllm_num_requests_running{{{A}}}": "2+0x40",
            f"ray_vllm_generation_tokens_total{{{A}}}": "500+9x40",
        },
        12,
        ONE,
    ),
    "RaylineFull": Case(
        {f'ray_rayline_refusals_total{{reason="replica_concurrency",{A}}}': "0+10x40"},
        {
            f'ray_rayline_refusals_total{{reason="replica_concurrency",{A}}}': "10+0x40",
            f'ray_rayline_refusals_total{{reason="requests_per_minute",{A}}}': "0+10x40",
        },
        11,
        MODEL,
    ),
    "RaylineSlowFirstToken": Case(
        {
            f'ray_vllm_time_to_first_token_seconds_bucket{{le="10",{A}}}': "0+1x60",
            f'ray_vllm_time_to_first_token_seconds_bucket{{le="20",{A}}}': "0+10x60",
            f'ray_vllm_time_to_first_token_seconds_bucket{{le="+Inf",{A}}}': "0+10x60",
        },
        {
            f'ray_vllm_time_to_first_token_seconds_bucket{{le="10",{A}}}': "0+99x60",
            f'ray_vllm_time_to_first_token_seconds_bucket{{le="20",{A}}}': "0+100x60",
            f'ray_vllm_time_to_first_token_seconds_bucket{{le="+Inf",{A}}}': "0+100x60",
        },
        16,
        MODEL,
    ),
    "RaylinePreemptions": Case(
        {f"ray_vllm_num_preemptions_total{{{A}}}": "0+10x60"},
        {f"ray_vllm_num_preemptions_total{{{A}}}": "0+1x60"},
        16,
        MODEL,
    ),
    "RaylineServerErrors": Case(
        {
            f'ray_rayline_requests_total{{status="503",{A}}}': "0+10x40",
            f'ray_rayline_requests_total{{status="200",{A}}}': "0+90x40",
        },
        {
            f'ray_rayline_requests_total{{status="503",{A}}}': "0+1x40",
            f'ray_rayline_requests_total{{status="429",{A}}}': "0+90x40",
        },
        11,
        MODEL,
    ),
    "RaylineLoginFlood": Case(
        {
            f'{LOGINS}{{outcome="failed",{A}}}': "0+4x40",
            f'{LOGINS}{{outcome="limited",{A}}}': "0+4x40",
        },
        {
            f'{LOGINS}{{outcome="failed",{A}}}': "0+4x40",
            f'{LOGINS}{{outcome="succeeded",{A}}}': "0+40x40",
        },
        11,
        {},
    ),
    "RaylineModelCacheFull": Case(
        {
            f'ray_rayline_model_cache_bytes{{kind="free",{A}}}': "9+0x60",
            f'ray_rayline_model_cache_bytes{{kind="size",{A}}}': "100+0x60",
        },
        {
            f'ray_rayline_model_cache_bytes{{kind="free",{A}}}': "11+0x60",
            f'ray_rayline_model_cache_bytes{{kind="size",{A}}}': "100+0x60",
        },
        20,
        MODEL,
    ),
}
