"""Every route of vLLM's real application as it is served, and every route in vLLM's sources."""

import json
import subprocess
import sys
from collections import Counter
from functools import cache

import httpx
import pytest

from app.access import routes
from bench.serving.cluster import ROOT
from bench.serving.service import APPLICATION, MODEL, Service

pytestmark = [pytest.mark.live]

PROBES = [(method, path) for method in ("GET", "HEAD") for path in ("/", "/health", "/ready")]
OWN = [("POST", "/token"), *PROBES]
DESCRIBED = {(method, path) for method, path in OWN if method != "HEAD"}
DANGEROUS = [
    *("/pause", "/resume", "/sleep", "/wake_up", "/collective_rpc", "/update_weights"),
    *("/init_weight_transfer_engine", "/invocations", "/abort_requests", "/reset_prefix_cache"),
    *("/start_profile", "/scale_elastic_ep", "/server_info", "/load", "/ping"),
    *("/v1/load_lora_adapter", "/inference/v1/generate", "/tokenizer_info"),
]
# Closed, although vLLM has them: HEAD for its pages, and its websocket.
CLOSED = {("WEBSOCKET", "/v1/realtime")}
Routes = list[tuple[str, str]]


@cache
def vllm_routes() -> dict[str, Routes]:
    asked = subprocess.run(
        [sys.executable, "-m", "tests.app_live.vllm_routes"],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    answer = json.loads(asked.stdout.splitlines()[-1])
    return {kind: [(method, path) for method, path in found] for kind, found in answer.items()}


def described(base: str, headers: dict[str, str]) -> Routes:
    answer = httpx.get(f"{base}/openapi.json", headers=headers, timeout=30).raise_for_status()
    paths = answer.json()["paths"]
    return sorted((verb.upper(), path) for path, item in paths.items() for verb in item)


def every_call() -> Routes:
    """Each (method, path) to try, including methods that vLLM would not answer.

    Without a token, a client does not learn which routes or methods exist: the answer is always
    401.
    """
    calls = set(OWN)
    for method, path in {*vllm_routes()["served"], *vllm_routes()["source"], *routes.TABLE}:
        every = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]
        calls |= {(m, path.replace("{response_id}", "resp_1")) for m in [*every, method]}
    return sorted((m, p) for m, p in calls if m not in ("*", "WEBSOCKET"))


def test_without_a_token_every_route_but_the_public_ones_is_401(base: str) -> None:
    calls = every_call()
    wrong = []
    with httpx.Client(base_url=base, timeout=30) as client:
        for method, path in calls:
            status = client.request(method, path).status_code
            expected = 401
            if (method, path) in OWN:
                expected = 415 if path == "/token" else 200
            if status != expected:
                wrong.append((method, path, status))
    served = vllm_routes()["served"]
    print(
        f"{len(calls)} calls at {base} ({len(served)} routes served): all 401 but the public ones"
    )
    assert wrong == []
    assert len(served) >= 30


def test_every_route_of_vllm_is_listed() -> None:
    known = {(route.method, route.template) for route in routes.TABLE.values()}
    vllm = vllm_routes()
    heads = {(m, p) for m, p in vllm["served"] if m == "HEAD" and ("GET", p) in known}
    served = {("GET" if method == "*" else method, path) for method, path in vllm["served"]}
    assert served - known - heads - CLOSED == set()
    written = set(vllm["source"])
    assert written - known - CLOSED == set()
    assert len(written) >= 70
    # The table has no route that vLLM lacks: it would open a path for no purpose.
    documents = {("GET", path) for path in ("/openapi.json", "/docs/oauth2-redirect", "/redoc")}
    made = {("GET", "/metrics"), ("GET", "/docs")}
    assert known - served - written - documents - made - set(OWN) == set()


def test_the_description_matches_the_service(service: Service, base: str) -> None:
    described_to_admin = set(described(base, service.headers("admin")))
    assert described_to_admin >= DESCRIBED
    assert described_to_admin - DESCRIBED <= set(vllm_routes()["served"])
    described_to_user = set(described(base, service.headers()))
    closed = {
        (m, p)
        for m, p in described_to_admin
        if routes.required_group(m, p) in (routes.OPERATE, routes.METRICS)
    }
    assert described_to_user == described_to_admin - closed
    assert closed


def test_a_route_that_reads_no_body_needs_none(service: Service, base: str) -> None:
    """As for `client.responses.cancel`. The guard never asks operators for one."""
    headers = service.headers("admin")
    paths = httpx.get(f"{base}/openapi.json", headers=headers, timeout=30).json()["paths"]
    without = {
        path
        for path, item in paths.items()
        if "post" in item
        and "requestBody" not in item["post"]
        and routes.required_group("POST", path) != routes.OPERATE
    }
    assert without == routes.WITHOUT_BODY
    user = service.headers()
    asked = {"model": MODEL, "input": "Why?", "max_output_tokens": 2}
    own = httpx.post(f"{base}/v1/responses", json=asked, headers=user, timeout=30).json()["id"]
    for path in without:
        url = base + path.replace("{response_id}", own)
        answer = httpx.post(url, headers=user, timeout=30)
        assert answer.status_code == 404, answer.text  # vLLM's answer, not the guard's


@pytest.mark.parametrize("role", ["user", "guest"])
def test_dangerous_routes_are_for_admin_only_or_closed(
    service: Service, base: str, role: str
) -> None:
    closed = (routes.OPERATE, routes.METRICS)
    operate = [key for key, route in routes.TABLE.items() if route.group in closed]
    assert set(DANGEROUS) <= {path for _, path in operate}
    headers = service.headers(role)
    with httpx.Client(base_url=base, timeout=30, headers=headers) as client:
        statuses = Counter(client.request(method, path).status_code for method, path in operate)
    print(f"{len(operate)} routes of operators for {role} at {base}: {dict(statuses)}")
    assert set(statuses) == {403}


def test_an_unlisted_route_is_closed_to_admin_too(service: Service, base: str) -> None:
    headers = service.headers("admin")
    with httpx.Client(base_url=base, timeout=30, headers=headers) as client:
        for path in ("/docs", "/redoc", "/openapi.json", "/metrics", "/v1/models"):
            for method in ("HEAD", "OPTIONS", "PUT", "DELETE"):
                assert client.request(method, path).status_code == 405, (method, path)
        for path in ("/v1/brand_new", "/v1/realtime", "/static/swagger-ui.css", "/metrics/x"):
            assert client.get(path).status_code == 404, path
        assert client.get("/pause").status_code == 405


def test_answers_of_serve_itself_reveal_only_a_name(base: str) -> None:
    """Ray Serve answers these two before the guard; the cluster's probes need the first."""
    assert httpx.get(f"{base}/-/healthz").text == "success"
    assert httpx.get(f"{base}/-/routes").json() == {"/": APPLICATION}
    for path in ("/-", "/-/", "/-/metrics", "/-/healthz/", "/-/routes/x", "/-/deploy"):
        assert httpx.get(f"{base}{path}").status_code in (401, 404), path


def test_each_answer_has_one_request_id_from_the_guard(service: Service, base: str) -> None:
    for given in ({}, {"x-request-id": "mine"}):
        for headers in (service.headers(), {}):
            answer = httpx.get(f"{base}/v1/models", headers={**headers, **given}, timeout=30)
            (found,) = answer.headers.get_list("x-request-id")
            assert found.startswith("req-")


@pytest.mark.parametrize("seconds", ["0.5", "-1", "1e-9"])
def test_no_client_controls_the_timeouts_of_serve(
    service: Service, base: str, seconds: str
) -> None:
    """Serve obeys both from any client; the second would hide a disconnect from Serve."""
    for header in ("x-request-timeout-seconds", "x-request-disconnect-disabled"):
        given = {**service.headers(), header: seconds if header.endswith("seconds") else "?1"}
        answer = httpx.get(f"{base}/v1/models", headers=given, timeout=30)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "header_not_allowed"
