"""The prefix cache of the real engine: it serves a user again, and no one else.

vLLM counts the tokens of prompts that it found in the cache. The counts of every route prove that
the salt is set where all routes end, whatever fields they have.
"""

import secrets
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import httpx
import pytest

from bench.serving.service import MODEL, Service
from tests.app_live.extra_role import extra_role

pytestmark = [pytest.mark.live]

BLOCKS = 512
"""Characters that are surely more than a block of the cache; the tokenizer's words are short."""


@pytest.fixture
def operator(service: Service) -> Iterator[httpx.Client]:
    with service.operator() as client:
        yield client


def text() -> str:
    """A prompt that nobody has sent before."""
    return secrets.token_hex(BLOCKS)


def message(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


BEAMS: dict[str, Any] = {"max_tokens": 2, "n": 2, "use_beam_search": True}
ROUTES: dict[str, Any] = {
    "/v1/chat/completions": lambda t: {"messages": message(t), "max_tokens": 2},
    "/v1/chat/completions/batch": lambda t: {"messages": [message(t)], "max_tokens": 2},
    "/v1/completions": lambda t: {"prompt": t, "max_tokens": 2, "n": 2},
    "/v1/responses": lambda t: {"input": t, "max_output_tokens": 2},
    "/v1/messages": lambda t: {"messages": message(t), "max_tokens": 2},
    "/v1/completions?beams": lambda t: {"prompt": t, **BEAMS},
    "/v1/chat/completions?beams": lambda t: {"messages": message(t), **BEAMS},
}


def ask(service: Service, headers: dict[str, str], path: str, body: dict[str, Any]) -> None:
    given = {"model": MODEL, **body}
    answer = httpx.post(f"{service.url}{path}", json=given, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text


def hits(service: Service, operator: httpx.Client) -> float:
    return service.metrics(operator)["prefix_cache_hits_total"]


@pytest.mark.parametrize("path", ROUTES)
def test_a_prompt_is_found_again_for_its_user_only(
    service: Service, operator: httpx.Client, path: str
) -> None:
    one, two = service.headers(), service.headers()
    body = ROUTES[path](text())
    found = []
    for caller in (one, one, two, two):
        before = hits(service, operator)
        ask(service, caller, path, body)
        found.append(hits(service, operator) - before)
    print(f"{path}: tokens found in the cache: {found}")
    # With n=2, a request also finds what its own first choice has just computed.
    assert found[1] > found[0]
    assert found[3] > found[2]
    assert found[2] == found[0]


@pytest.mark.parametrize("chosen", ["mine", "x" * 128])
def test_a_salt_of_the_request_never_reaches_another_user(
    service: Service, operator: httpx.Client, chosen: str
) -> None:
    one, two = service.headers(), service.headers()
    body = {**ROUTES["/v1/chat/completions"](text()), "cache_salt": chosen}
    found = []
    for caller in (one, two, one):
        before = hits(service, operator)
        ask(service, caller, "/v1/chat/completions", body)
        found.append(hits(service, operator) - before)
    assert found[0] == found[1] == 0
    assert found[2] > 0


def test_a_role_may_share(service: Service, operator: httpx.Client) -> None:
    with extra_role(service, "team", groups=["inference", "describe"], share_cache=True) as one:
        body = ROUTES["/v1/chat/completions"](text())
        ask(service, one, "/v1/chat/completions", body)
        before = hits(service, operator)
        ask(service, service.headers("team"), "/v1/chat/completions", body)
        assert hits(service, operator) > before
        before = hits(service, operator)
        ask(service, service.headers("user"), "/v1/chat/completions", body)
        assert hits(service, operator) == before


def test_the_time_of_an_answer_tells_nothing_about_others(service: Service) -> None:
    """Medians of five prompts: the first time, again by the same user, and by another user."""

    def timed(caller: dict[str, str], body: dict[str, Any]) -> float:
        began = time.perf_counter()
        ask(service, caller, "/v1/completions", body)
        return time.perf_counter() - began

    first, again, other = [], [], []
    for _ in range(5):
        one, two = service.headers(), service.headers()
        body = {"prompt": secrets.token_hex(5000), "max_tokens": 1}
        first.append(timed(one, body))
        again.append(timed(one, body))
        other.append(timed(two, body))
    print(
        f"first {median(first) * 1000:.0f} ms, again {median(again) * 1000:.0f} ms, "
        f"another user {median(other) * 1000:.0f} ms"
    )
    assert median(again) < median(first)
    assert median(other) > (median(first) + median(again)) / 2
