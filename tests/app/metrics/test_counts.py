"""What the service counts of its requests, through the guard."""

from collections.abc import Callable

import httpx

from app.guard.application import Guard
from app.metrics.counts import (
    COMPLETION_TOKENS,
    COUNTERS,
    LOGINS,
    MAX_SERIES,
    OTHER,
    PROMPT_TOKENS,
    REFUSALS,
    REQUESTS,
    Answered,
    Counts,
)
from tests.app.calls import ask, call, get, post
from tests.app.conftest import PASSWORDS, Service, chat, run
from tests.app.stub import COMPLETION_TOKENS as COMPLETION
from tests.app.stub import PROMPT_TOKENS as PROMPT

CHAT = "/v1/chat/completions"


def sums(guard: Guard, name: str) -> dict[tuple[str, ...], int]:
    return {
        tuple(labels.values()): value for own, labels, value in guard.counts.sums() if own == name
    }


def logged_in(service: Service, user: str, password: str) -> int:
    answer: httpx.Response = run(service.login(user, password))
    return answer.status_code


def test_requests_and_tokens_are_counted_by_role_and_route(service: Service) -> None:
    for _ in range(2):
        assert ask(service).status_code == 200
    found = sums(service.guard, REQUESTS)
    assert found["user", "", CHAT, "200"] == 2
    assert sums(service.guard, PROMPT_TOKENS) == {("user", "", CHAT): 2 * PROMPT}
    assert sums(service.guard, COMPLETION_TOKENS) == {("user", "", CHAT): 2 * COMPLETION}


def test_refusals_have_the_word_of_the_answer(service: Service) -> None:
    assert get(service, "/load", "bob").status_code == 403
    assert get(service, "/v1/models").status_code == 401
    found = sums(service.guard, REFUSALS)
    assert found["user", "/load", "route_not_allowed"] == 1
    assert found["none", "none", "invalid_token"] == 1


def test_logins_are_counted_by_role_only_where_they_succeed(service: Service) -> None:
    assert logged_in(service, "alice", PASSWORDS["alice"]) == 200
    assert logged_in(service, "alice", "wrong") == 401
    assert logged_in(service, "nobody", "wrong") == 401
    assert sums(service.guard, LOGINS) == {("admin", "succeeded"): 1, ("none", "failed"): 2}


def test_no_label_is_what_a_client_wrote(service: Service) -> None:
    for word in ("one", "two"):
        get(service, f"/a/{word}", "bob")
        call(service, word.upper(), f"/{word}", "bob")
        post(service, json=chat(model=word, user=word))
        logged_in(service, word, word)
    text = str(list(service.guard.counts.sums()))
    assert "one'" not in text.replace("'none'", "")
    assert "two" not in text
    assert "bob" not in text


def test_users_are_named_only_where_it_is_wanted(make: Callable[..., Service]) -> None:
    service = make(metrics_by_user=True)
    assert ask(service).status_code == 200
    assert sums(service.guard, REQUESTS)["user", "user:bob", CHAT, "200"] == 1
    logged_in(service, "alice", "wrong")  # the name of a login is a client's word
    assert "alice" not in str(list(service.guard.counts.sums()))


def test_a_metric_has_a_bounded_number_of_series() -> None:
    counts = Counts(by_user=True)
    for number in range(MAX_SERIES + 50):
        counts.add(Answered("user", f"user:{number}", CHAT, 200, "", 1, 1))
    found = [(labels, value) for name, labels, value in counts.sums() if name == REQUESTS]
    assert len(found) == MAX_SERIES + 1
    assert found[-1] == (dict.fromkeys(COUNTERS[REQUESTS][1], OTHER), 50)
    assert sum(value for _, value in found) == MAX_SERIES + 50
