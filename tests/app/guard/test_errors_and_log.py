"""The form of a refusal, and what the log contains and must never contain."""

import logging
from collections.abc import Callable

import pytest

from tests.app.calls import PATH, get, post
from tests.app.conftest import KEY, PASSWORDS, Service, run


def test_every_refusal_has_the_shape_of_openai(service: Service) -> None:
    service.backend.crash = ValueError("prompt text in an exception")
    answers = {
        400: post(service, json={"n": 99}),
        401: post(service, user=None),
        403: get(service, "/metrics", "bob"),
        404: get(service, "/nothing", "bob"),
        405: get(service, PATH, "bob"),
        413: post(service, json={"a": "x" * 5_000_000}),
        415: post(service, "/token", None, json={}),
        500: post(service),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert set(answer.json()) == {"error"}
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert answer.headers["x-request-id"].startswith("req-")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "prompt text" not in answers[500].text


def test_the_request_id_is_in_the_log_with_user_route_and_tokens(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rayline"):
        answer = post(service)
        bad = post(service, headers={"Authorization": "Bearer x"})
    line, bad_line = (r.getMessage() for r in caplog.records if r.name == "rayline.access")
    assert f"id={answer.headers['x-request-id']} method=POST route={PATH} user=user:bob" in line
    assert "status=200" in line
    assert "prompt_tokens=5 completion_tokens=7" in line
    assert bad.headers["x-request-id"] in bad_line
    assert "status=401" in bad_line
    assert "note=malformed" in bad_line


def test_no_secret_is_in_any_log(
    make: Callable[..., Service],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Canaries in every place that can contain a secret; all loggers are at DEBUG."""
    prompt, query = "CANARY-prompt-7f3a", "CANARY-query-7f3a"
    caplog.set_level(logging.DEBUG)
    service = make()
    good = service.bearer("bob")
    run(service.login("bob", PASSWORDS["bob"]))
    run(service.login("bob", "CANARY-password-7f3a"))
    run(service.login("CANARY-password-as-name-7f3a", "x"))
    message = {"messages": [{"role": "user", "content": prompt}]}
    for content in (
        message,
        {**message, "n": 99},
        {prompt: 1, "n": prompt},
        {"stop": [prompt] * 99},
    ):
        post(service, json=content)
        post(service, json=content, headers={"Authorization": "Bearer CANARY-token-7f3a"})
    post(service, content=f'{{"a": "{prompt}'.encode())
    get(service, f"/v1/models?key={query}", headers=good)
    get(service, f"/{query}", headers=good)
    get(service, f"/{query}%2f")
    service.backend.crash = RuntimeError(prompt)
    post(service, json=message)
    captured = capfd.readouterr()
    # The test's own client logs its URLs; everything else is the service's.
    logged = [r.getMessage() for r in caplog.records if r.name != "httpx"]
    everything = "\n".join(logged) + captured.out + captured.err
    assert "note=out_of_bounds" in everything
    secrets = [KEY, good["Authorization"][7:], *PASSWORDS.values(), "7f3a"]
    assert [s for s in secrets if s in everything] == []
