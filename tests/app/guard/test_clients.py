"""What clients and load balancers of today send: probes, keys, empty bodies, tools, pictures."""

import base64
import json
import os
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.access import routes
from tests.app.calls import PATH, call, get, post
from tests.app.conftest import Service, chat, run, values
from tests.app.serving import served

PROBES = ("/", "/health", "/ready")
MESSAGES = "/v1/messages"


@pytest.mark.parametrize("path", PROBES)
def test_load_balancers_probe_without_a_token(service: Service, path: str) -> None:
    got, headed = get(service, path), call(service, "HEAD", path, None)
    assert (got.status_code, got.json()) == (200, {"status": "ok"})
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["content-length"] == got.headers["content-length"]
    service.backend.is_alive = False
    down = call(service, "HEAD", path, None)
    assert (down.status_code, down.content, get(service, path).status_code) == (503, b"", 503)
    assert int(down.headers["retry-after"]) > 0
    assert service.backend.calls == []


def test_a_probe_by_head_leaves_the_connection_usable(service: Service) -> None:
    """A body after HEAD would be read as the next answer."""

    async def ask() -> list[int]:
        async with served(service.guard, root_path="/tiny") as port, httpx.AsyncClient() as client:
            paths = PROBES * 2
            base = f"http://127.0.0.1:{port}"
            answers = [await client.head(base + path) for path in paths]
            answers += [await client.get(base + path) for path in paths]
            return [answer.status_code for answer in answers]

    assert run(ask()) == [200] * 12


def test_the_root_takes_no_other_method(service: Service) -> None:
    answer = call(service, "POST", "/", "bob", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def key(service: Service, user: str = "bob") -> dict[str, str]:
    return {"x-api-key": service.token(user)}


@pytest.mark.parametrize("path", [MESSAGES, "/v1/messages/count_tokens"])
def test_anthropics_clients_send_the_token_as_a_key(service: Service, path: str) -> None:
    headers = {**key(service), "anthropic-version": "2023-06-01", "anthropic-beta": "tools"}
    assert post(service, path, None, headers=headers).status_code == 200
    passed = dict(service.backend.headers[-1])
    assert b"x-api-key" not in passed
    assert b"authorization" not in passed
    assert passed[b"anthropic-version"] == b"2023-06-01"
    assert passed[b"anthropic-beta"] == b"tools"


def test_a_key_lists_models_too_and_nothing_else(service: Service) -> None:
    assert get(service, "/v1/models", headers=key(service)).status_code == 200
    for path in (PATH, "/v1/messagesx", "/v1/responses", "/tokenize"):
        assert post(service, path, None, headers=key(service)).status_code == 401, path


@pytest.mark.parametrize("wrong", ["", "x", "Bearer x", "sk-ant-api03-" + "a" * 90])
def test_a_wrong_key_is_as_wrong_as_a_wrong_token(service: Service, wrong: str) -> None:
    answer = post(service, MESSAGES, None, headers={"x-api-key": wrong})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_token")


def test_one_credential_decides(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    token = service.token("bob")
    same = {"Authorization": f"Bearer {token}", "x-api-key": token}
    assert post(service, MESSAGES, None, headers=same).status_code == 200
    for user, other in (("bob", key(service, "alice")), ("bob", {"x-api-key": "sk-ant-other"})):
        refused = post(service, MESSAGES, user, headers=other)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "two_credentials")
    assert post(service, PATH, "bob", headers={"x-api-key": "of another service"}).is_success
    assert "sk-ant-other" not in caplog.text
    assert len(service.backend.calls) == 2


def test_repeated_keys_are_refused(service: Service) -> None:
    async def ask() -> int:
        async with service.client() as client:
            token = service.token("bob")
            twice = [("x-api-key", token), ("x-api-key", token)]
            return (await client.post(MESSAGES, json=chat(), headers=twice)).status_code

    assert run(ask()) == 401


def test_anthropics_clients_get_errors_in_their_form(service: Service) -> None:
    expected = {
        400: (
            post(service, MESSAGES, json={"stop_sequences": ["x"] * 99}),
            "invalid_request_error",
        ),
        401: (post(service, MESSAGES, None), "authentication_error"),
        405: (get(service, MESSAGES, "bob"), "invalid_request_error"),
        413: (post(service, MESSAGES, content=b"x" * 5_000_000), "request_too_large"),
    }
    service.backend.is_alive = False
    expected[503] = (post(service, MESSAGES), "overloaded_error")
    for status, (answer, kind) in expected.items():
        body = answer.json()
        assert (answer.status_code, body["type"], body["error"]["type"]) == (status, "error", kind)
        assert body["error"]["message"]
    assert "type" not in post(service, PATH, None).json()


def cancel_of_bobs(service: Service) -> str:
    """The route that cancels an answer to bob."""
    bob = service.auth.identify(service.bearer("bob")["Authorization"].encode())
    return f"/v1/responses/{service.auth.answer_ids(bob).new()}/cancel"


def test_cancel_needs_no_body(service: Service) -> None:
    cancel = cancel_of_bobs(service)
    for body in (b"", b"{}"):
        assert post(service, cancel, content=body).status_code == 200
    assert [(path, body) for _, path, body in service.backend.calls] == [
        (cancel, b""),
        (cancel, b"{}"),
    ]
    assert post(service, "/v1/responses", content=b"").status_code == 400


def test_cancel_without_a_body_still_obeys_the_list_of_models(make: Callable[..., Service]) -> None:
    limited = '{"user": {"models": ["other"]}}'
    service = make(values(ROLES=limited), model_name="tiny")
    assert post(service, cancel_of_bobs(service), content=b"").status_code == 403
    assert service.backend.calls == []


def test_models_are_listed_by_role(make: Callable[..., Service]) -> None:
    limited = json.dumps({"user": {"models": ["tiny"]}, "guest": {"models": ["adapter"]}})
    service = make(values(ROLES=limited), model_name="tiny", model_aliases=("Qwen/Tiny",))
    service.backend.models = ["tiny", "Qwen/Tiny", "adapter"]

    def listed(user: str) -> list[str]:
        answer = get(service, "/v1/models", user)
        assert int(answer.headers["content-length"]) == len(answer.content)
        return [card["id"] for card in answer.json()["data"]]

    assert listed("alice") == ["tiny", "Qwen/Tiny", "adapter"]
    assert listed("bob") == ["tiny", "Qwen/Tiny"]
    assert listed("gina") == ["adapter"]


@pytest.mark.parametrize("named", ["tiny", "Qwen/Tiny"])
def test_a_role_may_use_a_model_by_each_of_its_names(
    make: Callable[..., Service], named: str
) -> None:
    roles = json.dumps({"user": {"models": [named]}, "guest": {"models": ["else"]}})
    service = make(values(ROLES=roles), model_name="tiny", model_aliases=("Qwen/Tiny",))
    own: list[object] = ["tiny", "Qwen/Tiny", None]
    for name in own:
        body = {**chat(), "model": name}
        assert post(service, json=body).status_code == 200, name
        assert post(service, user="gina", json=body).status_code == 403, name
    others: list[object] = ["qwen/tiny", "Qwen/Tiny ", "TINY", ["tiny"], {}, "else"]
    for name in others:
        assert post(service, json={**chat(), "model": name}).status_code == 403, name


def test_metrics_have_a_role_of_their_own(make: Callable[..., Service]) -> None:
    service = make(values(ROLES='{"monitoring": {"groups": ["metrics"]}}'))
    headers = service.service_bearer("prometheus", "monitoring")
    assert get(service, "/metrics", headers=headers).status_code in (200, 307)
    refused = [
        call(service, method, path.replace("{response_id}", "r"), None, headers=headers).status_code
        for (method, path), route in routes.TABLE.items()
        if route.group not in (routes.PUBLIC, routes.METRICS)
    ]
    assert set(refused) == {403}
    assert get(service, "/metrics", "bob").status_code == 403
    operator = make(values(ROLES='{"user": {"groups": ["operate"]}}'))
    assert get(operator, "/metrics", "bob").status_code == 403


def toolset(count: int, size: int) -> list[dict[str, Any]]:
    """Tools as agents publish them, of `size` bytes each."""
    schema = {
        "type": "object",
        "properties": {"path": {"type": "string", "description": "d" * (size - 230)}},
        "required": ["path"],
    }
    return [
        {"type": "function", "function": {"name": f"server_{i:03}", "parameters": schema}}
        for i in range(count)
    ]


@pytest.mark.parametrize("user", ["alice", "bob", "gina"])
def test_the_tools_of_an_agent_pass_by_default(service: Service, user: str) -> None:
    tools = toolset(150, 1450)
    assert 200_000 < len(json.dumps(tools)) < 225_000
    assert post(service, user=user, json=chat(tools=tools, max_tokens=9)).status_code == 200
    anthropic = [
        {"name": t["function"]["name"], "input_schema": t["function"]["parameters"]} for t in tools
    ]
    body = chat(tools=anthropic, max_tokens=9)
    assert post(service, MESSAGES, user, json=body).status_code == 200


@pytest.mark.parametrize("tokens", [32_768, 131_072])
def test_a_context_of_escaped_cyrillic_passes_by_default(service: Service, tokens: int) -> None:
    """Russian text has up to four letters per token, and an escape has six bytes."""
    size = 4 * tokens
    letters = "съешь ещё этих мягких французских булок да выпей чаю "
    text = (letters * (size // len(letters) + 1))[:size]
    body = json.dumps(chat(messages=[{"role": "user", "content": text}], max_tokens=9))
    assert "\\u0435" in body
    assert len(body) > 5 * size
    assert post(service, content=body).status_code == 200


def picture(size: int) -> dict[str, Any]:
    url = "data:image/png;base64," + base64.b64encode(os.urandom(size)).decode()
    part = {"type": "image_url", "image_url": {"url": url}}
    return chat(messages=[{"role": "user", "content": [part]}], max_tokens=9)


def test_a_picture_of_8_mb_passes_on_a_model_that_takes_pictures(service: Service) -> None:
    body = picture(8 * 1024 * 1024)
    service.backend.accepts_media = True  # the engine says so before the first request
    assert post(service, json=body).status_code == 200
    assert post(service, json=picture(13 * 1024 * 1024)).status_code == 413


def test_a_picture_of_8_mb_is_refused_by_a_model_of_text(service: Service) -> None:
    assert post(service, json=picture(8 * 1024 * 1024)).status_code == 413
