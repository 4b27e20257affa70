"""Grammars that cost the engine seconds or gigabytes, in every form and place that vLLM reads."""

import json
from collections.abc import Iterator
from typing import Any

from tests.app.guard.grammar.test_schema import EXPENSIVE, counted

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
BATCH, COMPLETION = f"{CHAT}/batch", "/v1/completions"
Request = tuple[str, dict[str, Any]]
SCHEMAS = [schema for schema, _ in EXPENSIVE]
EXPRESSIONS = (
    *("(a|b){2000}x{3000}", "(a{100}){100}", "((((a+)+)+)+)+b", "(" * 20 + "a" + ")" * 20),
    *("a" * 3000, "|".join(f".{{1,{100 + i}}}{i}" for i in range(60)), "[^x]{1,5000}"),
)
LONG_CHOICE = {"choice": [f"{number:x}" * 40 for number in range(20_000)]}
EBNF = (
    "root ::= " + " | ".join(f"[^x]{{1,{100 + i}}}" for i in range(60)),
    "root ::= " + "(" * 300 + '"a"' + ")*" * 300,
    'root ::= "a"',
)
LARK = ('start: "a"', "start: /.{1,2000}/")


def with_schema(schema: dict[str, Any]) -> Iterator[Request]:
    """The requests in which vLLM compiles this schema."""
    named = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    for path in (CHAT, BATCH, COMPLETION):
        yield path, {"response_format": named}
    for path in (CHAT, BATCH, COMPLETION, RESPONSES):
        yield path, {"structured_outputs": {"json": schema}}
        yield path, {"structured_outputs": {"json": json.dumps(schema)}}
    flat = {"type": "json_schema", "name": "x", "schema": schema}
    yield RESPONSES, {"text": {"format": flat}}
    yield MESSAGES, {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    yield from _with_tools(schema)


def _with_tools(schema: dict[str, Any]) -> Iterator[Request]:
    """Calls that are forced, by any or one tool, and tools that are strict, in each API's form."""
    function = {"name": "f", "parameters": schema}
    tool, flat = {"type": "function", "function": function}, {"type": "function", **function}
    claude = {"name": "f", "input_schema": schema}
    yield CHAT, {"tools": [tool], "tool_choice": "required"}
    yield CHAT, {"tools": [tool], "tool_choice": {"type": "function", "function": {"name": "f"}}}
    yield CHAT, {"tools": [{**tool, "function": {**function, "strict": True}}]}
    yield RESPONSES, {"tools": [flat], "tool_choice": "required"}
    yield RESPONSES, {"tools": [flat], "tool_choice": {"type": "function", "name": "f"}}
    yield RESPONSES, {"tools": [{**flat, "strict": True}]}
    yield MESSAGES, {"tools": [claude], "tool_choice": {"type": "any"}}
    yield MESSAGES, {"tools": [claude], "tool_choice": {"type": "tool", "name": "f"}}
    added = {"type": "tool_addition", "tool": {"definition": claude}}
    messages = [{"role": "user", "content": [added]}]
    yield MESSAGES, {"messages": messages, "tool_choice": {"type": "any"}}


def with_expression(expression: str) -> Iterator[Request]:
    """The requests in which vLLM compiles this regular expression."""
    for path in (CHAT, BATCH, COMPLETION, RESPONSES):
        yield path, {"structured_outputs": {"regex": expression}}
    yield from with_schema({"type": "string", "pattern": expression})


def of_some_roles() -> Iterator[Request]:
    """Grammars that only roles with `grammars` may send, large and small."""
    for text in (*EBNF, *LARK):
        for path in (CHAT, BATCH, COMPLETION, RESPONSES):
            yield path, {"structured_outputs": {"grammar": text}}
    yield from with_tag({"type": "object"})


def compiled() -> Iterator[Request]:
    """Grammars that only the compiler finds too costly: no form of them is refused beforehand."""
    for path in (CHAT, BATCH, COMPLETION, RESPONSES):
        yield path, {"structured_outputs": {"grammar": EBNF[0]}}


def with_tag(schema: dict[str, Any]) -> Iterator[Request]:
    """Structural tags, in vLLM's two forms, around a schema."""
    old = {"begin": "<a>", "schema": schema, "end": "</a>"}
    legacy = {"type": "structural_tag", "structures": [old], "triggers": ["<"]}
    content = {"type": "json_schema", "json_schema": schema}
    tag = {"type": "tag", "begin": "<a>", "content": content, "end": "</a>"}
    for given in (legacy, {"type": "structural_tag", "format": tag}):
        for path in (CHAT, BATCH, COMPLETION):
            yield path, {"response_format": given}
        for path in (CHAT, BATCH, COMPLETION, RESPONSES):
            yield path, {"structured_outputs": {"structural_tag": json.dumps(given)}}


def too_large() -> Iterator[Request]:
    """Grammars whose size alone is refused."""
    for path in (CHAT, BATCH, COMPLETION, RESPONSES):
        yield path, {"structured_outputs": LONG_CHOICE}
    yield from with_schema({"enum": [f"{number:x}" * 40 for number in range(20_000)]})


WORST = counted(400, minProperties=200)
"""3.1 s and 600 MiB in xgrammar's converter."""
