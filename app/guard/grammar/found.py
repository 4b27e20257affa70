"""Finds what vLLM 0.32 turns into a grammar, by route, in the form in which it compiles it.

Sources: `structured_outputs_from_response_format` of entrypoints/generate/base/protocol.py,
`extract_structured_outputs` of the Responses API, `_handle_output_config` of the Anthropic routes,
`_apply_response_format` of Cohere's, `DelegatingParser._apply_structural_tag` of
parser/abstract_parser.py, and `get_json_schema_from_tools` of tool_parsers/utils.py. The schemas of
tools are compiled where a call is forced, and for tools that are `strict`; otherwise they are text
in the prompt.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

JSON, REGEX, EBNF, LARK, TAG = "json", "regex", "ebnf", "lark", "tag"

_CHAT = frozenset({"/v1/chat/completions", "/v1/chat/completions/batch"})
_ANTHROPIC = frozenset({"/v1/messages", "/v1/messages/count_tokens"})
_RESPONSES, _COHERE = "/v1/responses", "/cohere/v2/chat"
_FORMATS = frozenset({*_CHAT, _COHERE, "/v1/completions"})
_WITH_TOOLS = frozenset({"/v1/chat/completions", _RESPONSES, _COHERE, *_ANTHROPIC})
_STRUCTURED = frozenset({*_CHAT, _RESPONSES, "/v1/completions"})
# pydantic reads some names under their alias as well.
_SCHEMA_NAMES = ("schema", "json_schema", "schema_")
_FIELDS = frozenset({"structured_outputs", "response_format", "text", "output_config", "tools"})
HARMONY_COPIES = 12
_COMMENT = re.compile(r"(#|//).*$")


@dataclass(frozen=True, slots=True)
class Grammar:
    """One grammar. `text` is what vLLM passes to its compiler; `schema` is the parsed JSON of a
    schema or tag; `privileged` is true for EBNF and for structural tags that a client wrote."""

    kind: str
    where: str
    text: str
    schema: Any = None
    privileged: bool = False


class Parser(NamedTuple):
    """What the parser of the served model's tool calls does with schemas."""

    every_tool: bool = False
    """Whether the schemas of all tools are compiled, forced and strict or not. So do the parsers of
    Mistral and Cohere (vllm/parser/mistral.py, cohere_command.py), and any parser with the engine's
    argument `tool_strict_level`."""
    copies: int = 1
    """How often a schema is in the grammar: for models of the gpt-oss kind once for each way to
    begin a call (`get_harmony_structural_tag` of vllm/parser/harmony.py)."""


def parser(engine_args: str, model: str) -> Parser:
    """The parser by ENGINE_ARGS and the name of the served model."""
    try:
        given = json.loads(engine_args or "{}")
    except ValueError:
        return Parser()
    if not isinstance(given, dict):
        return Parser()
    named = {key.removeprefix("--").replace("-", "_"): value for key, value in given.items()}
    calls = str(named.get("tool_call_parser", ""))
    every = calls.startswith(("mistral", "cohere")) or named.get("tool_strict_level") == "parameter"
    harmony = calls == "openai" or "gpt-oss" in model.lower().replace("_", "-")
    return Parser(every, HARMONY_COPIES if harmony else 1)


def grammars(template: str, document: Mapping[str, Any], every_tool: bool) -> Iterator[Grammar]:
    """The grammars of a request; `every_tool` is true where the parser of the served model compiles
    the schemas of all tools. Raises ValueError for a text that should hold JSON and does not."""
    if _FIELDS.isdisjoint(document) and template not in _ANTHROPIC:
        return
    if template in _STRUCTURED:
        yield from _structured(document.get("structured_outputs"))
    if template in _FORMATS:
        yield from _format("response_format", document.get("response_format"))
    elif template == _RESPONSES:
        yield from _format("text", _member(document.get("text"), "format"))
    elif template in _ANTHROPIC:
        yield from _format("output_config", _member(document.get("output_config"), "format"))
    if template in _WITH_TOOLS:
        tools = [*_functions(document.get("tools"))]
        if template in _ANTHROPIC:
            tools += _added(document.get("messages"))
        if tools:
            yield from _tools(document, tools, every_tool)


def _structured(given: Any) -> Iterator[Grammar]:
    if type(given) is not dict:
        return
    where = "structured_outputs"
    schema = given.get("json")
    if schema:
        parsed = json.loads(schema) if type(schema) is str else schema
        yield Grammar(JSON, f"{where}.json", _text(schema), parsed)
    expression = given.get("regex")
    if type(expression) is str:
        yield Grammar(REGEX, f"{where}.regex", expression)
    choice = given.get("choice")
    if type(choice) is list and choice:
        yield Grammar(EBNF, f"{where}.choice", _alternatives(choice))
    grammar = given.get("grammar")
    if type(grammar) is str and grammar:
        kind = LARK if _is_lark(grammar) else EBNF
        yield Grammar(kind, f"{where}.grammar", grammar, privileged=True)
    tag = given.get("structural_tag")
    if tag:
        parsed = json.loads(tag) if type(tag) is str else tag
        yield Grammar(TAG, f"{where}.structural_tag", _text(tag), parsed, privileged=True)


def _format(where: str, given: Any) -> Iterator[Grammar]:
    """`response_format`, `text.format` or `output_config.format`."""
    if type(given) is not dict:
        return
    if given.get("type") == "structural_tag" or "structures" in given:
        yield Grammar(TAG, where, json.dumps(given), given, privileged=True)
        return
    for name in _SCHEMA_NAMES:
        schema = given.get(name)
        if type(schema) is not dict:
            continue
        # OpenAI's chat format wraps the schema once more; the other routes do not.
        inner = [schema[key] for key in _SCHEMA_NAMES if type(schema.get(key)) is dict]
        for found in inner if "name" in schema and inner else [schema, *inner]:
            yield Grammar(JSON, where, json.dumps(found), found)


def _tools(
    document: Mapping[str, Any], tools: list["_Tool"], every_tool: bool
) -> Iterator[Grammar]:
    choice = document.get("tool_choice")
    mode = _member(choice, "mode") or _member(choice, "type") or choice
    if mode in ("none", "NONE") and not every_tool:
        return
    forced = mode not in (None, "auto", "none", "NONE")
    named = _member(choice, "name") or _member(_member(choice, "function"), "name")
    if forced and named is not None:
        tools = [tool for tool in tools if tool.name == named] or tools
    elif not forced and not every_tool and document.get("strict_tools") in (None, False):
        tools = [tool for tool in tools if tool.strict]
    if not tools:
        return
    if forced and named is None:
        schema = _any_call(tools)
        yield Grammar(JSON, "tools", json.dumps(schema), schema)
    else:
        structures = [
            {"begin": f"<call>{tool.name}", "schema": tool.parameters, "end": "</call>"}
            for tool in tools
        ]
        tag = {"structures": structures, "triggers": ["<call>"]}
        yield Grammar(TAG, "tools", json.dumps(tag), tag)


@dataclass(frozen=True, slots=True)
class _Tool:
    name: str
    parameters: dict[str, Any]
    strict: bool


def _functions(given: Any) -> Iterator[_Tool]:
    """The functions of `tools` in the shape of any of the four APIs."""
    for tool in given if type(given) is list else ():
        if type(tool) is not dict:
            continue
        function = tool.get("function")
        function = function if type(function) is dict else tool
        schema = function.get("parameters") or function.get("input_schema")
        # pydantic reads some texts and numbers as true, so all but false count.
        strict = any(part.get("strict") not in (None, False) for part in (tool, function))
        parameters = schema if type(schema) is dict else {"type": "object", "properties": {}}
        yield _Tool(str(function.get("name")), parameters, strict)
        yield from _functions(tool.get("tools"))  # a namespace of the Responses API


def _added(messages: Any) -> Iterator[_Tool]:
    """The tools that Anthropic's `tool_addition` blocks define within the conversation."""
    for message in messages if type(messages) is list else ():
        content = _member(message, "content")
        for block in content if type(content) is list else ():
            if _member(block, "type") == "tool_addition":
                yield from _functions([_member(_member(block, "tool"), "definition")])


def _any_call(tools: list[_Tool]) -> dict[str, Any]:
    """The schema of `get_json_schema_from_tools` for a required call."""
    definitions: dict[str, Any] = {}
    calls = []
    for tool in tools:
        own = tool.parameters.get("$defs")
        definitions |= own if type(own) is dict else {}
        parameters = {key: value for key, value in tool.parameters.items() if key != "$defs"}
        properties = {"name": {"type": "string", "enum": [tool.name]}, "parameters": parameters}
        calls.append({"properties": properties, "required": ["name", "parameters"]})
    schema: dict[str, Any] = {
        "type": "array",
        "minItems": 1,
        "items": {"type": "object", "anyOf": calls},
    }
    return schema | ({"$defs": definitions} if definitions else {})


def _alternatives(choice: list[Any]) -> str:
    """The EBNF that vLLM makes of `choice`; the escapes are as long as vLLM's."""
    return "root ::= " + " | ".join(json.dumps(text) for text in choice if type(text) is str)


def _is_lark(grammar: str) -> bool:
    """As `grammar_is_likely_lark` of v1/structured_output/utils.py decides."""
    return not any("::=" in _COMMENT.sub("", line) for line in grammar.split("\n"))


def _text(given: Any) -> str:
    return given if type(given) is str else json.dumps(given)


def _member(given: Any, name: str) -> Any:
    return given.get(name) if type(given) is dict else None


DEFAULT_PARSER = Parser()
