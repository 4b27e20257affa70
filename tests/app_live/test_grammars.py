"""The numbers of the guard's grammars, held against the pinned xgrammar and vLLM.

The searches are random with a fixed seed, and climb: what cost most is changed further.
"""

import copy
import json
import os
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.guard.grammar import found, helper, regex, schema
from app.guard.grammar.compiler import Compiler
from app.guard.grammar.found import Grammar
from tests.app.conftest import run
from tests.app.guard.grammar.test_schema import ALL, counted
from tests.app.guard.grammar.toolsets import PERSON, tools
from tests.app.guard.loop_time import longest_step
from tests.app_live.program import Program, program

pytestmark = [pytest.mark.live]
SEARCH_S = 60.0
LOOP_S, MIB = 0.1, 64


@pytest.fixture(scope="module")
def compiler() -> Iterator[Compiler]:
    made = Compiler()
    assert made.available
    yield made
    made.close()


@pytest.fixture(scope="module")
def vllm() -> Iterator[Program]:
    with program("tests.app_live.conversions", os.environ) as started:
        yield started


def ask(compiler: Compiler, kind: str, text: str, times: int = 1) -> dict[str, Any]:
    grammar = Grammar(kind, "test", text)
    answer: dict[str, Any] = run(compiler.answer(grammar, times, compiler.key(grammar, times)))
    return answer


def test_the_grammars_that_stopped_the_engine_end_within_their_limits(compiler: Compiler) -> None:
    """The static measure refuses them already; here the process alone has to."""
    for kind, text in (
        (found.JSON, json.dumps(counted(400, minProperties=200))),
        (found.JSON, json.dumps(counted(1000, minProperties=400))),
        (found.REGEX, "|".join(f".{{1,{100 + i}}}{i}" for i in range(30))),
        (found.REGEX, "".join(f"[^x]{{1,{100 + i}}}x" for i in range(60))),
        (found.JSON, json.dumps({"anyOf": [{"type": "string", "maxLength": 90 + i}
                                           for i in range(200)]})),
        (found.EBNF, "root ::= " + " | ".join(f"[^x]{{1,{100 + i}}}" for i in range(60))),
    ):  # fmt: skip
        answer = ask(compiler, kind, text)
        limit = helper.CONVERSION_S + 2 * helper.CONSTRUCTION_S + helper.VOCABULARY_S
        assert answer["outcome"] == helper.COSTLY, text[:60]
        assert answer["cpu_s"] < limit + 0.3, text[:60]
    assert ask(compiler, found.REGEX, "after")["outcome"] == helper.OK


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (found.JSON, json.dumps(PERSON)),
        (found.JSON, json.dumps(ALL)),
        (found.JSON, json.dumps({"type": "array", "uniqueItems": True, "items": {}})),
        (found.JSON, json.dumps({"type": "string", "maxLength": 5000})),
        (
            found.JSON,
            json.dumps(
                {
                    "type": "object",
                    "properties": {
                        "title": {"type": "string", "maxLength": 200},
                        "summary": {"type": "string", "maxLength": 500},
                        "body": {"type": "string", "maxLength": 5000},
                    },
                }
            ),
        ),
        (found.REGEX, r"[\w.]{1,64}@[\w.]{1,255}"),
        (found.EBNF, 'root ::= "a" | "b"'),
        (found.LARK, 'start: "a" | "b"'),
        (found.TAG, json.dumps({"type": "structural_tag", "format": {"type": "any_text"}})),
    ],
)
def test_usual_grammars_are_accepted(compiler: Compiler, kind: str, text: str) -> None:
    assert ask(compiler, kind, text)["outcome"] == helper.OK


@pytest.mark.parametrize("choice", ["required", {"function": {"name": "tool_3"}}, None])
def test_a_published_tool_set_is_accepted_where_vllm_compiles_it(
    compiler: Compiler, choice: Any
) -> None:
    document = {"tools": tools(150, 8), "tool_choice": choice}
    if choice is None:
        for tool in document["tools"]:
            tool["function"]["strict"] = True
    for grammar in found.grammars("/v1/chat/completions", document, every_tool=False):
        assert schema.problem(grammar.schema) is None
        answer = ask(compiler, grammar.kind, grammar.text)
        assert answer["outcome"] == helper.OK
        assert answer["conversion_s"] < LOOP_S


def test_many_prompts_share_the_time_of_one_conversion(compiler: Compiler) -> None:
    """vLLM converts the grammar of a request with 64 prompts 64 times on its event loop."""
    large = json.dumps(ALL)
    assert ask(compiler, found.JSON, large, 1)["outcome"] == helper.OK
    assert ask(compiler, found.JSON, large, 64)["outcome"] == helper.COSTLY
    assert ask(compiler, found.JSON, json.dumps(PERSON), 16)["outcome"] == helper.OK


def _number(chosen: random.Random) -> float:
    return chosen.choice([chosen.randint(-(2**62), 2**62), chosen.uniform(-1e9, 1e9), 1e300])


def _leaf(chosen: random.Random) -> dict[str, Any]:  # noqa: PLR0911
    kind = chosen.randrange(9)
    if kind == 0:
        low, high = sorted((_number(chosen), _number(chosen)))
        return {"type": "number", "minimum": low, "maximum": high}
    if kind == 1:
        low, high = sorted(chosen.randint(-(2**62), 2**62) for _ in range(2))
        return {"type": "integer", "minimum": low, "exclusiveMaximum": high}
    if kind == 2:
        return {"type": "string", "format": chosen.choice(["ipv6", "uri-reference", "duration"])}
    if kind == 3:
        atom = chosen.choice([".", "a", "[^a]", "(a|b)", r"\S", "(ab?c*)", "(.a|b.)", "[a-zé]"])
        return {"type": "string", "pattern": f"{atom}{{{chosen.randint(0, 5)},{_log(chosen)}}}"}
    if kind == 4:
        return {"type": "string", "maxLength": _log(chosen)}
    if kind == 5:
        return {"enum": [f"value{i}" * chosen.randint(1, 9) for i in range(_log(chosen))]}
    if kind == 6:
        count = chosen.randint(1, 70)
        return counted(count, minProperties=chosen.randint(0, count), maxProperties=count)
    if kind == 7:
        return {"type": "object", "additionalProperties": {"type": "string"},
                "propertyNames": {"pattern": f"[^a]{{1,{_log(chosen)}}}"}}  # fmt: skip
    return {"type": "array", "items": {"type": "string"}, "maxItems": _log(chosen)}


def _log(chosen: random.Random) -> int:
    return int(10 ** chosen.uniform(0, 3.5))


def _grown(chosen: random.Random, part: dict[str, Any]) -> dict[str, Any]:
    """The schema within a larger one: repeated beside itself, deeper, or with another leaf."""
    kind = chosen.randrange(5)
    if kind == 0:
        return {"anyOf": [part] * chosen.randint(1, 30)}
    if kind == 1:
        return {"type": "array", "items": part, "minItems": chosen.randint(0, 9)}
    if kind == 2:
        names = [f"name{i}" for i in range(chosen.randint(1, 20))]
        return {"type": "object", "properties": dict.fromkeys(names, part), "required": names[:2]}
    if kind == 3:
        return {"type": "array", "prefixItems": [part, _leaf(chosen)] * chosen.randint(1, 9)}
    return {"anyOf": [part, *(_leaf(chosen) for _ in range(chosen.randint(1, 60)))]}


def _climb(compiler: Compiler, seconds: float) -> tuple[float, float, dict[str, Any]]:
    """The largest time and memory of a conversion among accepted schemas, and the slowest."""
    chosen = random.Random(11)
    worst: list[tuple[float, dict[str, Any]]] = [(0.0, {"type": "string"})]
    memory = 0.0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        start = chosen.choice(worst)[1] if chosen.random() < 0.7 else _leaf(chosen)
        candidate = copy.deepcopy(_grown(chosen, start))
        if len(json.dumps(candidate)) > 512 * 1024 or schema.problem(candidate) is not None:
            continue
        # On a busy machine one conversion may take twice the CPU time of another.
        for _ in range(3):
            answer = ask(compiler, found.JSON, json.dumps(candidate))
            if answer["conversion_s"] > 0 or answer["outcome"] != helper.COSTLY:
                break
        if answer["outcome"] == helper.INVALID:
            continue
        # A conversion that did not end has no time: the static measure would have been too kind.
        assert answer["conversion_s"] > 0 or answer["outcome"] == helper.OK, candidate
        if answer["outcome"] == helper.OK:
            memory = max(memory, answer["mib"])
        worst.append((answer["conversion_s"], candidate))
        worst = sorted(worst, key=lambda pair: -pair[0])[:8]
    return worst[0][0], memory, worst[0][1]


def test_no_schema_that_the_static_measure_accepts_costs_the_loop_100_ms(
    compiler: Compiler, vllm: Program
) -> None:
    seconds, memory, slowest = _climb(compiler, SEARCH_S)
    assert 0.005 < seconds < LOOP_S
    assert memory < MIB
    real = vllm.ask({"structured_outputs": {"json": slowest}})
    print(f"worst schema: {seconds * 1000:.0f} ms, {memory:.0f} MiB, in vLLM {real}")
    assert real["seconds"] < LOOP_S
    assert real["mib"] < MIB


def test_no_expression_that_the_static_measure_accepts_costs_the_loop_100_ms(
    compiler: Compiler, vllm: Program
) -> None:
    chosen = random.Random(5)
    atoms = ("a", ".", "[^a]", r"\S", "(a|b)", "(ab?)", "(a+b*)", "é", "[a-z0-9]")
    worst, text = 0.0, "a"
    until = time.monotonic() + SEARCH_S / 3
    while time.monotonic() < until:
        parts = [
            f"{chosen.choice(atoms)}{{{chosen.randint(0, 9)},{_log(chosen)}}}"
            for _ in range(chosen.randint(1, 12))
        ]
        expression = "".join(parts)
        if chosen.random() < 0.5:
            expression = f"({expression}){{1,{chosen.randint(1, 30)}}}"
        if regex.size(expression).problem is not None:
            continue
        answer = ask(compiler, found.REGEX, expression)
        if answer["conversion_s"] > worst:
            worst, text = answer["conversion_s"], expression
    assert worst < LOOP_S
    real = vllm.ask({"structured_outputs": {"regex": text}})
    assert real["seconds"] < LOOP_S


def test_the_guard_compiles_the_schema_that_vllm_makes_of_tools(vllm: Program) -> None:
    several = tools(5, 4)
    for tool in several:
        tool["function"]["parameters"]["$defs"] = {"shared": {"type": "string"}}
    document = {"tools": several, "tool_choice": "required"}
    (grammar,) = found.grammars("/v1/chat/completions", document, every_tool=False)
    assert vllm.ask({"tools": several, "choice": "required"}) == grammar.schema


def test_what_the_process_accepts_is_as_cheap_in_vllm(compiler: Compiler, vllm: Program) -> None:
    for text in (json.dumps(PERSON), json.dumps(ALL)):
        answer = ask(compiler, found.JSON, text)
        real = vllm.ask({"structured_outputs": {"json": text}})
        assert real["refused"] is None or "format" in text
        assert real["seconds"] < max(3 * answer["conversion_s"], 0.02)


def test_the_loop_goes_on_while_the_worst_grammar_is_compiled(compiler: Compiler) -> None:
    grammar = Grammar(found.JSON, "test", json.dumps(counted(1000, minProperties=401)))

    async def longest() -> float:
        return await longest_step(compiler.answer(grammar, 1, compiler.key(grammar, 1)))

    assert run(longest()) < 0.05
