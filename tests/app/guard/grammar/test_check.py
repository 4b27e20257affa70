"""Grammars at the guard's door: what is refused before the engine, and for whom."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.guard.grammar.compiler import Compiler
from tests.app.calls import ask, post
from tests.app.conftest import Service, values
from tests.app.guard.grammar.test_compiler import ANSWERS
from tests.app.guard.grammar.test_schema import counted
from tests.app.guard.grammar.toolsets import PERSON, tools

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
COSTLY = counted(400, minProperties=200)
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": COSTLY}}
STRICT = [{"function": {"name": "f", "parameters": COSTLY, "strict": True}}]
TAG = {"type": "structural_tag", "structures": [], "triggers": ["<"]}


@pytest.mark.parametrize("user", ["bob", "gina", "alice"])
@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        (CHAT, {"response_format": SCHEMA}, "response_format"),
        ("/v1/completions", {"prompt": "x", "response_format": SCHEMA}, "response_format"),
        (CHAT, {"structured_outputs": {"json": COSTLY}}, "structured_outputs.json"),
        (CHAT, {"structured_outputs": {"json": json.dumps(COSTLY)}}, "structured_outputs.json"),
        (CHAT, {"structured_outputs": {"regex": "(a|b){2000}"}}, "structured_outputs.regex"),
        (CHAT, {"tools": STRICT}, "tools"),
        (CHAT, {"tools": [{"function": {"name": "f", "parameters": COSTLY}}],
                "tool_choice": "required"}, "tools"),
        (RESPONSES, {"text": {"format": {"type": "json_schema", "schema": COSTLY}}}, "text"),
        (MESSAGES, {"max_tokens": 5, "output_config": {"format": {"schema": COSTLY}}},
         "output_config"),
        (MESSAGES, {"max_tokens": 5, "tools": [{"name": "f", "input_schema": COSTLY}],
                    "tool_choice": {"type": "any"}}, "tools"),
    ],
)  # fmt: skip
def test_an_expensive_grammar_is_refused_on_every_route(
    service: Service, user: str, path: str, fields: dict[str, Any], param: str
) -> None:
    answer = post(service, path, user, json={"model": "tiny", **fields})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert answer.json()["error"]["code"] == "out_of_bounds"
    assert service.backend.calls == []


@pytest.mark.parametrize("user", ["bob", "gina"])
def test_large_tool_sets_pass_for_every_role_where_vllm_does_not_compile_them(
    service: Service, user: str
) -> None:
    fields = {"tools": tools(150, 8), "max_tokens": 5}
    assert len(json.dumps(fields)) > 200_000
    assert ask(service, user, **fields).status_code == 200
    assert ask(service, user, tool_choice="auto", **fields).status_code == 200


@pytest.mark.parametrize("user", ["bob", "gina"])
def test_usual_schemas_pass(service: Service, user: str) -> None:
    named = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}
    assert ask(service, user, response_format=named, max_tokens=5).status_code == 200
    few = {"tools": tools(20, 6), "tool_choice": "required", "max_tokens": 5}
    assert ask(service, user, **few).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"structured_outputs": {"grammar": 'root ::= "a"'}},
        {"structured_outputs": {"grammar": 'start: "a"'}},
        {"structured_outputs": {"structural_tag": json.dumps(TAG)}},
        {"response_format": TAG},
    ],
)
def test_only_some_roles_may_send_grammars_and_structural_tags(
    make: Callable[..., Service], fields: dict[str, Any]
) -> None:
    service = make(values(ROLES=json.dumps({"guest": {"grammars": True}})))
    answer = ask(service, "bob", **fields)
    assert answer.status_code == 400
    assert "is a grammar that your role may not send" in answer.json()["error"]["message"]
    assert ask(service, "alice", **fields).status_code == 200
    assert ask(service, "gina", max_tokens=5, **fields).status_code == 200


def test_a_text_that_should_hold_json_is_a_400(service: Service) -> None:
    for text in ("no", "[" * 100_000):
        answer = ask(service, structured_outputs={"json": text})
        assert answer.status_code == 400
        assert "not JSON" in answer.json()["error"]["message"]


def test_a_grammar_has_a_size(make: Callable[..., Service]) -> None:
    service = make(grammar_bytes=1000)
    answer = ask(service, structured_outputs={"choice": ["x" * 2000]})
    assert answer.status_code == 400
    assert "allowed: 1000" in answer.json()["error"]["message"]


def test_what_the_helper_finds_too_costly_is_refused(service: Service, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(ANSWERS.format(log=str(tmp_path / "log")))
    service.guard._compiler.close()
    service.guard._compiler = Compiler(libraries=str(tmp_path), program=str(program))
    answer = ask(service, structured_outputs={"regex": "costly"})
    assert answer.status_code == 400
    assert "takes too long to compile" in answer.json()["error"]["message"]
    assert service.backend.calls == []
    assert ask(service, structured_outputs={"regex": "fine"}).status_code == 200
