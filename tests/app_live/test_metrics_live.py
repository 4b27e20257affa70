"""Ray's metrics port of the node: vLLM's own metrics and ours, by model and replica."""

import re
import time
from collections.abc import Mapping
from itertools import pairwise

import httpx
import pytest

from bench.serving.service import MODEL, PASSWORD, Service
from tests.app_live.scrape import Page, scraped

pytestmark = pytest.mark.live

REPORTED_S = 45.0
"""Ray reports every 10 s, and we pass on every 5 s; the rest is for a busy machine."""
IDLE_S = 25.0
"""Longer than Ray keeps a gauge that nobody sets."""
OF_VLLM = (
    "num_requests_running",
    "num_requests_waiting",
    "kv_cache_usage_perc",
    "time_to_first_token_seconds_bucket",
    "inter_token_latency_seconds_bucket",
    "e2e_request_latency_seconds_bucket",
    "request_queue_time_seconds_bucket",
    "prompt_tokens_total",
    "generation_tokens_total",
    "request_success_total",
    "num_preemptions_total",
    "prefix_cache_queries_total",
    "prefix_cache_hits_total",
)


def ask(service: Service, headers: Mapping[str, str], **changes: object) -> httpx.Response:
    messages = [{"role": "user", "content": "tell me of the sea " * 80}]
    body = {"model": MODEL, "messages": messages, "max_tokens": 24, **changes}
    url = f"{service.url}/v1/chat/completions"
    return httpx.post(url, json=body, headers=headers, timeout=120)


@pytest.fixture(scope="module")
def page(service: Service) -> Page:
    """What the port says after some requests, and a time without any."""
    headers = service.headers("user")
    for _ in range(6):
        assert ask(service, headers).status_code == 200
    assert ask(service, headers, model="a-name-of-the-client").status_code == 404
    limited = service.headers("probe")
    assert {ask(service, limited).status_code for _ in range(4)} == {200, 429}
    assert httpx.get(f"{service.url}/a-path-of-the-client", headers=headers).status_code == 404
    for password in (PASSWORD, "not the password"):
        form = {"username": "bob", "password": password}
        httpx.post(f"{service.url}/token", data=form, timeout=60)
    time.sleep(IDLE_S)
    return scraped(service, "ray_rayline_logins_total", REPORTED_S)


@pytest.mark.parametrize("name", OF_VLLM)
def test_vllms_metrics_have_model_and_replica(service: Service, page: Page, name: str) -> None:
    (replica,) = service.running_replicas()
    series = page[f"ray_vllm_{name}"]
    assert series
    for labels, _ in series:
        assert labels["model_name"] == MODEL
        assert replica["replica_id"].endswith(labels["ReplicaId"])


def test_an_idle_engine_has_empty_gauges_and_counters_from_zero(page: Page) -> None:
    for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"):
        assert [value for _, value in page[f"ray_vllm_{name}"]] == [0]
    assert [value for _, value in page["ray_vllm_num_preemptions_total"]] == [0]


def test_vllm_counts_the_same_in_both_places(service: Service, page: Page) -> None:
    with service.operator() as operator:
        own = service.metrics(operator)
    for name in ("generation_tokens_total", "prompt_tokens_total", "prefix_cache_hits_total"):
        assert [value for _, value in page[f"ray_vllm_{name}"]] == [own[name]]
        assert own[name] > 0


def test_ours_count_by_role_route_and_status(page: Page) -> None:
    chat = {"route": "/v1/chat/completions", "model_name": MODEL, "user": ""}
    assert page.value("rayline_requests_total", chat, role="user", status="200") == 6
    assert page.value("rayline_requests_total", chat, role="user", status="404") == 1
    assert page.value("rayline_requests_total", chat, role="probe", status="200") == 2
    assert page.value("rayline_requests_total", chat, role="probe", status="429") == 2
    assert page.value("rayline_completion_tokens_total", chat, role="user") >= 6
    assert page.value("rayline_prompt_tokens_total", chat, role="user") > 6 * 50
    refused = {"route": "/v1/chat/completions", "role": "probe"}
    assert page.value("rayline_refusals_total", refused, reason="requests_per_minute") == 2
    assert page.value("rayline_logins_total", {}, role="user", outcome="succeeded") == 1
    assert page.value("rayline_logins_total", {}, role="none", outcome="failed") == 1


def test_the_phases_of_the_start_add_up(page: Page) -> None:
    seconds = {labels["phase"]: value for labels, value in page["ray_rayline_start_seconds"]}
    assert set(seconds) == {"import", "engine", "application", "first_token", "total"}
    parts = sum(value for phase, value in seconds.items() if phase != "total")
    assert 0.8 * seconds["total"] < parts < seconds["total"]


def test_the_file_system_of_the_model_cache_is_measured(page: Page) -> None:
    sizes = {labels["kind"]: value for labels, value in page["ray_rayline_model_cache_bytes"]}
    assert 0 < sizes["free"] < sizes["size"]


def test_nothing_of_a_client_and_no_secret_is_on_the_page(service: Service, page: Page) -> None:
    ours = [line for line in page.lines if re.search("ray_(rayline|vllm)_", line)]
    for word in ("alice", "bob", "eve", "of-the-client", "127.0.0.1"):
        assert not [line for line in ours if word in line]
    for secret in (service.key, PASSWORD, service.cluster.token, "tell me of the sea"):
        assert secret not in page.text
    assert all(labels["user"] == "" for labels, _ in page["ray_rayline_requests_total"])


def test_another_name_makes_no_other_series(service: Service, page: Page) -> None:
    before = ours(page, "user")
    headers = service.headers("user")
    for number in range(20):
        ask(service, headers, model=f"model-{number}", user=f"user-{number}")
        httpx.get(f"{service.url}/path/{number}", headers=headers)
    time.sleep(20)
    after = scraped(service, "ray_rayline_requests_total", REPORTED_S)
    chat = {"route": "/v1/chat/completions", "role": "user", "status": "404"}
    assert after.value("rayline_requests_total", chat) == 21
    assert ours(after, "user") == before


def ours(page: Page, role: str) -> set[tuple[str, str]]:
    """The series of this role: names and labels."""
    names = [name for name in page.counts() if name.startswith("ray_rayline_")]
    return {
        (name, str(sorted(labels.items())))
        for name in names
        for labels, _ in page[name]
        if labels.get("role") == role
    }


def test_buckets_are_cumulative(page: Page) -> None:
    for name in ("time_to_first_token", "inter_token_latency", "e2e_request_latency"):
        buckets = page[f"ray_vllm_{name}_seconds_bucket"]
        ordered = sorted((float(labels["le"]), value) for labels, value in buckets)
        assert all(low[1] <= high[1] for low, high in pairwise(ordered))
        assert ordered[-1][1] > 0
