"""What a role permits one request: completion size, models, priority."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.app.access.test_limits import roles
from tests.app.calls import PATH, ask, post
from tests.app.conftest import Service, chat, values


@pytest.mark.parametrize(
    ("path", "fields", "status", "sent"),
    [
        (PATH, {"max_tokens": 101}, 400, None),
        (PATH, {"max_completion_tokens": 101}, 400, None),
        ("/v1/responses", {"max_output_tokens": 101}, 400, None),
        (PATH, {"max_tokens": "101"}, 400, None),
        (PATH, {"max_tokens": 100}, 200, {}),
        (PATH, {}, 200, {"max_completion_tokens": 100}),
        (PATH, {"max_tokens": None}, 200, {"max_completion_tokens": 100}),
        ("/v1/completions", {}, 200, {}),
        ("/v1/completions", {"max_tokens": None}, 200, {"max_tokens": 100}),
        ("/v1/responses", {}, 200, {"max_output_tokens": 100}),
        ("/v1/embeddings", {}, 200, {}),
    ],
)
def test_the_cap_of_completion_tokens(
    make: Callable[..., Service], path: str, fields: dict[str, Any], status: int, sent: Any
) -> None:
    service = make(roles(max_tokens=100))
    assert post(service, path, json=fields).status_code == status
    if status == 200:
        document = json.loads(service.backend.calls[0][2])
        document.pop("request_id", None)  # which the guard gives to answers that may be stored
        assert document == {**fields, **sent}
    else:
        assert service.backend.calls == []


def test_no_cap_is_written_where_the_context_is_smaller(make: Callable[..., Service]) -> None:
    service = make(roles(max_tokens=100))
    service.backend.model_length = 64
    assert ask(service).status_code == 200
    assert json.loads(service.backend.calls[0][2]) == chat()


def test_only_the_models_of_the_role_are_allowed(make: Callable[..., Service]) -> None:
    service = make(roles(models=["tiny"]), model_name="tiny")
    assert ask(service).status_code == 200
    assert ask(service, model=None).status_code == 200
    answer = ask(service, model="other")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_allowed")
    assert ask(service, model=["tiny"]).status_code == 403


def test_the_priority_is_that_of_the_role(make: Callable[..., Service]) -> None:
    service = make(values(), priority=True)
    assert ask(service, "gina", max_tokens=5).status_code == 200
    assert json.loads(service.backend.calls[0][2])["priority"] == 100
    assert ask(service, "gina", priority=-5).status_code == 400


def test_writing_the_cap_keeps_the_text(service: Service) -> None:
    content = "Сколько четвергов в марте 2025 года? \U0001f600 \\u0000"
    raw = json.dumps({"messages": [{"role": "user", "content": content}]}).encode()
    answer = post(service, content=raw)
    assert answer.status_code == 200
    passed = json.loads(service.backend.calls[0][2])
    assert passed["max_completion_tokens"] == 32768
    assert passed["messages"][0]["content"] == content
