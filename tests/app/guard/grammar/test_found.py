"""Which parts of a request vLLM turns into a grammar, on each route."""

import json
from typing import Any

import pytest

from app.guard.grammar import found
from tests.app.guard.grammar.toolsets import PERSON, tools

CHAT, BATCH, TEXT = "/v1/chat/completions", "/v1/chat/completions/batch", "/v1/completions"
RESPONSES, MESSAGES, COHERE = "/v1/responses", "/v1/messages", "/cohere/v2/chat"
NAMED = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}
FLAT = {"type": "json_schema", "schema": PERSON, "name": "person"}


def grammars(template: str, every_tool: bool = False, **document: Any) -> list[found.Grammar]:
    return list(found.grammars(template, document, every_tool))


@pytest.mark.parametrize(
    ("template", "document"),
    [
        (CHAT, {"response_format": NAMED}),
        (BATCH, {"response_format": NAMED}),
        (TEXT, {"response_format": NAMED}),
        (CHAT, {"structured_outputs": {"json": PERSON}}),
        (RESPONSES, {"structured_outputs": {"json": json.dumps(PERSON)}}),
        (RESPONSES, {"text": {"format": FLAT}}),
        (RESPONSES, {"text": {"format": {"type": "json_schema", "schema_": PERSON}}}),
        (MESSAGES, {"output_config": {"format": {"type": "json_schema", "schema": PERSON}}}),
        (COHERE, {"response_format": {"type": "json_object", "json_schema": PERSON}}),
        (COHERE, {"response_format": {"type": "json_object", "schema": PERSON}}),
    ],
)
def test_a_schema_is_found_where_the_route_has_it(template: str, document: dict[str, Any]) -> None:
    (grammar,) = grammars(template, **document)
    assert (grammar.kind, grammar.schema, grammar.privileged) == (found.JSON, PERSON, False)
    assert json.loads(grammar.text) == PERSON


@pytest.mark.parametrize(
    ("template", "document"),
    [
        (CHAT, {"response_format": {"type": "json_object"}}),
        (CHAT, {"response_format": {"type": "text"}}),
        (CHAT, {"text": {"format": FLAT}}),
        (RESPONSES, {"response_format": NAMED}),
        (MESSAGES, {"response_format": NAMED, "structured_outputs": {"regex": "a"}}),
        ("/v1/audio/transcriptions", {"response_format": "verbose_json"}),
        ("/v1/embeddings", {"response_format": NAMED}),
        (CHAT, {"tools": tools(3, 2)}),
        (CHAT, {"tools": tools(3, 2), "tool_choice": "auto"}),
        (CHAT, {"tools": tools(3, 2), "tool_choice": "none"}),
        (CHAT, {"tool_choice": "required"}),
        (RESPONSES, {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}),
        (MESSAGES, {"tools": [{"name": "f", "input_schema": PERSON}], "tool_choice": None}),
        (COHERE, {"tools": tools(1, 1), "strict_tools": False}),
    ],
)
def test_what_vllm_does_not_compile_is_no_grammar(template: str, document: dict[str, Any]) -> None:
    assert grammars(template, **document) == []


@pytest.mark.parametrize(
    ("given", "kind", "privileged"),
    [
        ({"regex": "[a-z]+"}, found.REGEX, False),
        ({"choice": ["yes", 'n"o']}, found.EBNF, False),
        ({"grammar": 'root ::= "a"'}, found.EBNF, True),
        ({"grammar": '# ::=\nstart: "a"'}, found.LARK, True),
        ({"structural_tag": json.dumps({"format": {}})}, found.TAG, True),
    ],
)
def test_the_kinds_of_structured_outputs(
    given: dict[str, Any], kind: str, privileged: bool
) -> None:
    (grammar,) = grammars(CHAT, structured_outputs=given)
    assert (grammar.kind, grammar.privileged) == (kind, privileged)


def test_a_structural_tag_as_a_response_format_is_privileged() -> None:
    legacy = {"type": "structural_tag", "structures": [], "triggers": ["<"]}
    for given in (legacy, {"type": "structural_tag", "format": {"type": "any_text"}}):
        (grammar,) = grammars(CHAT, response_format=given)
        assert (grammar.kind, grammar.privileged) == (found.TAG, True)


FUNCTION = {"name": "f", "parameters": PERSON}
STRICT = {**FUNCTION, "strict": True}


@pytest.mark.parametrize(
    ("template", "document", "kind"),
    [
        (CHAT, {"tool_choice": "required", "tools": [{"function": FUNCTION}]}, found.JSON),
        (RESPONSES, {"tool_choice": "required", "tools": [FUNCTION]}, found.JSON),
        (MESSAGES, {"tool_choice": {"type": "any"}, "tools": [{"input_schema": PERSON}]}, "json"),
        (COHERE, {"tool_choice": "REQUIRED", "tools": [{"function": FUNCTION}]}, found.JSON),
        (CHAT, {"tools": [{"function": STRICT}]}, found.TAG),
        (CHAT, {"tools": [{"function": {**FUNCTION, "strict": "true"}}]}, found.TAG),
        (CHAT, {"tools": [{"function": STRICT}], "tool_choice": "auto"}, found.TAG),
        (RESPONSES, {"tools": [STRICT]}, found.TAG),
        (RESPONSES, {"tools": [{"type": "namespace", "name": "n", "tools": [STRICT]}]}, found.TAG),
        (MESSAGES, {"tools": [{"name": "f", "input_schema": PERSON, "strict": True}]}, found.TAG),
        (COHERE, {"strict_tools": True, "tools": [{"function": FUNCTION}]}, found.TAG),
        (
            MESSAGES,
            {
                "messages": [
                    {
                        "role": "system",
                        "content": [
                            {
                                "type": "tool_addition",
                                "tool": {
                                    "type": "tool_definition",
                                    "definition": {
                                        "name": "f", "input_schema": PERSON, "strict": True,
                                    },
                                },
                            }
                        ],
                    }
                ]
            },
            found.TAG,
        ),
    ],
)  # fmt: skip
def test_tools_that_are_forced_or_strict_are_compiled(
    template: str, document: dict[str, Any], kind: str
) -> None:
    (grammar,) = grammars(template, **document)
    assert (grammar.kind, grammar.where, grammar.privileged) == (kind, "tools", False)
    assert '"minLength": 1' in grammar.text


def test_a_named_call_compiles_that_tool_alone() -> None:
    many = tools(150, 8)
    choice = {"type": "function", "function": {"name": "tool_7"}}
    (grammar,) = grammars(CHAT, tools=many, tool_choice=choice)
    assert len(grammar.schema["structures"]) == 1
    (grammar,) = grammars(CHAT, tools=many, tool_choice={"type": "function", "name": "unknown"})
    assert len(grammar.schema["structures"]) == 150


def test_a_required_call_is_one_schema_of_all_tools_with_their_definitions_on_top() -> None:
    (grammar,) = grammars(CHAT, tools=[{"function": FUNCTION}] * 2, tool_choice="required")
    assert len(grammar.schema["items"]["anyOf"]) == 2
    assert grammar.schema["$defs"] == PERSON["$defs"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", False),
        ("{}", False),
        ("[]", False),
        ("no", False),
        ('{"tool_call_parser": "hermes"}', False),
        ('{"tool_call_parser": "mistral"}', True),
        ('{"--tool-call-parser": "cohere_command4"}', True),
        ('{"tool-strict-level": "parameter"}', True),
    ],
)
def test_some_parsers_compile_every_tool(arguments: str, expected: bool) -> None:
    assert found.parser(arguments, "tiny").every_tool is expected
    if expected:
        assert grammars(CHAT, every_tool=True, tools=tools(3, 2), tool_choice="none")


@pytest.mark.parametrize(
    ("arguments", "model", "copies"),
    [
        ("", "tiny", 1),
        ("", "openai/gpt-oss-20b", found.HARMONY_COPIES),
        ('{"tool_call_parser": "openai"}', "x", found.HARMONY_COPIES),
        ('{"tool_call_parser": "hermes"}', "x", 1),
    ],
)
def test_models_of_the_gpt_oss_kind_repeat_every_schema(
    arguments: str, model: str, copies: int
) -> None:
    assert found.parser(arguments, model).copies == copies


@pytest.mark.parametrize("field", ["json", "structural_tag"])
def test_a_text_that_is_not_json_is_an_error(field: str) -> None:
    with pytest.raises(ValueError, match="Expecting"):
        grammars(CHAT, structured_outputs={field: "no"})
