"""Accepts or refuses the grammars of a request by what they cost."""

from collections.abc import Mapping
from typing import Any

from app.access import permissions
from app.access.roles import Role
from app.errors import out_of_bounds
from app.guard.grammar import found, helper, regex, schema
from app.guard.grammar.compiler import Compiler
from app.guard.grammar.found import Grammar

TAG_CONVERSIONS = 3
"""How often vLLM converts a structural tag of a client: when the request is parsed, when it is
combined with tools, and when the engine's client validates it. Anything else is converted once."""
_CHEAPER = (
    "use shorter or fewer bounds on lengths, fewer alternatives and optional properties, and no "
    "large counted repetitions"
)


async def check(
    template: str,
    document: Mapping[str, Any],
    role: Role,
    limit: int,
    prompts: int,
    compiler: Compiler,
) -> None:
    """Raise RefusedError 400 for a grammar that costs too much, or whose kind the role may not use.

    `limit` is the largest size of a grammar in bytes, `prompts` how many prompts share the grammar:
    vLLM converts it for each.
    """
    try:
        grammars = list(found.grammars(template, document, compiler.parser.every_tool))
    except (ValueError, RecursionError):
        raise out_of_bounds("structured_outputs", "holds a text that is not JSON") from None
    for grammar in grammars:
        if grammar.privileged and not permissions.may_send_grammars(role):
            problem = (
                "is a grammar that your role may not send; use a JSON schema, a regex or a choice"
            )
            raise out_of_bounds(grammar.where, problem)
        size = len(grammar.text)
        if size > limit:
            raise out_of_bounds(grammar.where, f"has {size} bytes as a grammar; allowed: {limit}")
        tag = grammar.privileged and grammar.kind == found.TAG
        times = prompts * compiler.parser.copies * (TAG_CONVERSIONS if tag else 1)
        key = compiler.key(grammar, times)
        answer = compiler.known(key)
        if answer is None:
            excess = _problem(grammar)
            if excess is not None:
                raise out_of_bounds(grammar.where, excess)
            if not compiler.available:
                continue
            answer = await compiler.answer(grammar, times, key)
        if answer["outcome"] == helper.COSTLY:
            raise out_of_bounds(
                grammar.where, f"is a grammar that takes too long to compile; {_CHEAPER}"
            )


def _problem(grammar: Grammar) -> str | None:
    """The static measure: what makes the grammar too expensive."""
    if grammar.kind == found.REGEX:
        return regex.size(grammar.text).problem
    return schema.problem(grammar.schema) if grammar.schema is not None else None
