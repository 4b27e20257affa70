"""The static measure: what makes a schema or a regular expression expensive."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.guard.grammar import found, regex, schema
from tests.app.guard.grammar.toolsets import PERSON, tools


def counted(optional: int, **bounds: int) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {f"p{i}": {"type": "string"} for i in range(optional)},
        **bounds,
    }


def chain(depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        made = {"type": "array", "items": made}
    return made


EXPENSIVE: list[tuple[dict[str, Any], str]] = [
    # 3.1 s and 600 MiB in xgrammar's converter, in 11 KB.
    (counted(400, minProperties=200), "optional properties"),
    (counted(400, maxProperties=200), "optional properties"),
    ({"anyOf": [counted(40, minProperties=20)] * 5}, "optional properties"),
    ({"$defs": {"a": counted(400, minProperties=9)}, "$ref": "#/$defs/a"}, "optional prop"),
    # 1 s in 40 bytes.
    ({"type": "string", "pattern": "^.{1,2000}$"}, "patterns"),
    ({"type": "string", "pattern": "(a{100}){100}"}, "patterns"),
    ({"type": "string", "pattern": "(((a+)+)+)+b"}, "repeats a repetition"),
    ({"anyOf": [{"pattern": ".{0,300}" + str(i)} for i in range(9)]}, "patterns"),
    ({"patternProperties": {"^.{1,2000}$": {}}}, "patterns"),
    ({"propertyNames": {"pattern": "[^a]{1,2000}"}}, "patterns"),
    # 1.8 s and 290 MiB, in 230 KB.
    (
        {"anyOf": [{"type": "number", "minimum": 1.123456 + i} for i in range(2900)]},
        "ranges of numbers",
    ),
    ({"anyOf": [{"type": "string", "format": "ipv6"}] * 2000}, "formats"),
    # More than 2 GiB in the compiler.
    ({"anyOf": [{"type": "string", "maxLength": 100 + i} for i in range(100)]}, "maxLength"),
    ({"anyOf": [{"type": "object", "properties": {"a": chain(40)}}] * 200}, "objects"),
    (chain(70), "nested deeper"),
    # vLLM would compile it with outlines, which nothing here can bound.
    ({"patternProperties": {"^a$": {"uniqueItems": True}}}, "slowest compiler"),
    ({"patternProperties": {"^a$": {}, "^b$": {}}}, "slowest compiler"),
    ({"patternProperties": {"^a$": {}}, "properties": {"b": {}}}, "slowest compiler"),
]
"""Schemas, and a part of what is said about each."""


@pytest.mark.parametrize(("given_schema", "text"), EXPENSIVE)
def test_an_expensive_schema_is_refused(given_schema: dict[str, Any], text: str) -> None:
    problem = schema.problem(given_schema)
    assert problem is not None
    assert text in problem


ALL = {"anyOf": [t["function"]["parameters"] for t in tools(150, 8)]}


@pytest.mark.parametrize(
    "usual",
    [
        PERSON,
        ALL,
        True,
        {},
        counted(20, minProperties=1),
        counted(300),
        {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
        {"type": "string", "pattern": "^.{1,255}$"},
        {"type": "string", "pattern": r"^[\w.+-]+@[\w-]+\.[\w.]+$"},
        {"type": "array", "minItems": 1, "maxItems": 10**9, "items": {"maxLength": 10**9}},
        {"enum": [f"value {i}" for i in range(5000)]},
        {"type": "object", "patternProperties": {"^x-": {"type": "string"}}},
        chain(30),
    ],
)
def test_a_usual_schema_passes(usual: Any) -> None:
    assert schema.problem(usual) is None


def test_the_tool_set_of_the_tests_is_as_large_as_published_ones() -> None:
    assert len(json.dumps(tools(150, 8))) > 200_000


@pytest.mark.parametrize(
    ("expression", "states", "wide"),
    [
        ("", 0, 0),
        ("abc", 3, 0),
        ("a{1000}", 1000, 0),
        ("(ab){10}", 20, 0),
        ("((a{2}){3}b){4}", 28, 0),
        ("[^a]{30}", 30, 30),
        ("[a-z]{2,5}", 5, 0),
        ("[]a]{3}", 3, 0),
        (r"\d{3}\{4}", 6, 0),
        (r"\S{3}.", 4, 4),
        ("a{0}b?c*d+", 4, 0),
        ("a{,5}", 5, 0),
        ("a{2,}", 2, 0),
        ("a{999999999}", 999_999_999, 0),
        ("(a{999999}){999999}", 10**9, 0),
        ("(?:ab|c){2}", 10, 0),  # `:` and `|` count too
        ("((", 0, 0),
        ("a)", 2, 0),
        ("{5}", 0, 0),
        ("[", 1, 0),
        ("\\", 1, 0),
        ("[é]{3}", 3, 3),
    ],
)
def test_the_size_of_a_regular_expression(expression: str, states: int, wide: int) -> None:
    assert regex.size(expression)[:2] == (states, wide)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("a" * 6000, "characters"),
        ("a{5000}", "states"),
        ("(" * 17 + "a" + ")" * 17, "nests groups"),
        ("((((a*)*)*)*)*", "repetition"),
        ("((((a{2,})+)*)+)", "repetition"),
    ],
)
def test_an_expensive_expression_is_refused(expression: str, text: str) -> None:
    problem = regex.size(expression).problem
    assert problem is not None
    assert text in problem


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("properties", "required", "minProperties", "pattern", "patternProperties"),
                    *(
                        "anyOf",
                        "enum",
                        "type",
                        "maxLength",
                        "minimum",
                        "format",
                        "tools",
                        "function",
                    ),
                    *(
                        "strict",
                        "parameters",
                        "json_schema",
                        "schema",
                        "structures",
                        "content",
                        "name",
                    ),
                    *(
                        "json",
                        "regex",
                        "choice",
                        "grammar",
                        "structural_tag",
                        "mode",
                        "input_schema",
                    ),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
_FIELDS = ("structured_outputs", "response_format", "text", "output_config", "tools", "messages")


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(found._WITH_TOOLS | found._STRUCTURED)),
    st.dictionaries(st.sampled_from([*_FIELDS, "tool_choice", "strict_tools"]), _JSON),
    st.booleans(),
)
def test_no_document_makes_the_measure_itself_fail(
    template: str, document: dict[str, Any], every_tool: bool
) -> None:
    """Only ValueError, which becomes a 400, may leave it."""
    try:
        grammars = list(found.grammars(template, document, every_tool))
    except ValueError:
        return
    for grammar in grammars:
        schema.problem(grammar.schema)
