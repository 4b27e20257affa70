"""Limits of a role on the real engine, which counts the tokens, and the limits of Serve."""

import json
import threading
from typing import Any

import httpx
import pytest

from app.engine.settings import RESERVED_REQUESTS
from bench.serving.cluster import DEPLOYMENT
from bench.serving.service import APPLICATION, ENGINE, MODEL, Service
from tests.app_live.calls import completion
from tests.app_live.extra_role import extra_role

pytestmark = [pytest.mark.live]

TOKENS = 200
CHAT: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Why?"}],
    "max_tokens": 150,
    "ignore_eos": True,
}


def ask(service: Service, headers: dict[str, str], stream: bool) -> httpx.Response:
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    return httpx.post(
        f"{service.url}/v1/chat/completions", json={**CHAT, **options}, headers=headers, timeout=60
    )


def usage(answer: httpx.Response, stream: bool) -> dict[str, int]:
    """The usage that vLLM reports in its answer, or in the last chunk of a stream."""
    if not stream:
        return dict(answer.json()["usage"])
    lines = [line for line in answer.text.splitlines() if line.startswith("data: {")]
    return dict(json.loads(lines[-1].removeprefix("data: "))["usage"])


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_per_minute_are_counted_by_the_real_engine(service: Service, stream: bool) -> None:
    """Two answers exhaust the allowance of a minute; the third request is refused."""
    with extra_role(
        service, "metered", groups=["inference", "describe"], tokens_per_minute=TOKENS
    ) as headers:
        for _ in range(2):
            marks = service.log_marks()
            answer = ask(service, headers, stream)
            assert answer.status_code == 200
            used = usage(answer, stream)
            assert used["completion_tokens"] == CHAT["max_tokens"]
            line = service.logged(f"id={answer.headers['x-request-id']}", marks, 5)
            assert f"prompt_tokens={used['prompt_tokens']} " in line
            assert f"completion_tokens={used['completion_tokens']} " in line
        refused = ask(service, headers, stream)
        assert refused.status_code == 429
        assert refused.headers["x-ratelimit-limit-name"] == "tokens_per_minute"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert refused.json()["error"]["type"] == "rate_limit_error"


def test_concurrent_requests_are_limited(service: Service) -> None:
    with extra_role(
        service, "single", groups=["inference", "models", "describe"], concurrent=1
    ) as headers:
        begun, leave = threading.Event(), threading.Event()

        def stream() -> None:
            with httpx.stream(
                "POST", f"{service.url}/v1/completions",
                json=completion(stream=True), headers=headers, timeout=60,
            ) as answer:  # fmt: skip
                for _ in answer.iter_raw():
                    begun.set()
                    if leave.is_set():
                        return

        running = threading.Thread(target=stream)
        running.start()
        try:
            assert begun.wait(30)
            second = ask(service, headers, False)
        finally:
            leave.set()
            running.join()
        assert second.status_code == 429
        assert second.headers["x-ratelimit-limit-name"] == "concurrent"


def test_a_cap_of_max_tokens_and_a_list_of_models(service: Service) -> None:
    with extra_role(
        service, "small", groups=["inference", "describe"], max_tokens=5, models=[MODEL]
    ) as headers:
        too_many = ask(service, headers, False)
        assert (too_many.status_code, too_many.json()["error"]["param"]) == (400, "max_tokens")
        body = {name: value for name, value in CHAT.items() if name != "max_tokens"}
        url = f"{service.url}/v1/chat/completions"
        capped = httpx.post(url, json=body, headers=headers, timeout=60)
        assert capped.json()["usage"]["completion_tokens"] == 5
        other = httpx.post(url, json={**body, "model": "other"}, headers=headers, timeout=60)
        assert (other.status_code, other.json()["error"]["code"]) == (403, "model_not_allowed")


def test_serve_is_sized_to_the_engine(service: Service) -> None:
    report = service.cluster.applications()[APPLICATION]
    settings = report["deployments"][DEPLOYMENT]["deployment_config"]
    assert settings["max_ongoing_requests"] == int(ENGINE["GUARD_MAX_RUNNING"]) + RESERVED_REQUESTS
    assert settings["max_queued_requests"] == RESERVED_REQUESTS
    assert settings["graceful_shutdown_timeout_s"] > float(ENGINE["DRAIN_SECONDS"])
