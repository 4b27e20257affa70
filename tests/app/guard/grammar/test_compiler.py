"""The helper process: asked once per grammar, and its failures cost nobody an answer.

The programs here stand for faults of the helper; tests/app_live/test_grammars.py runs the real one.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import RefusedError
from app.guard.grammar import compiler as compilers
from app.guard.grammar import found, helper
from app.guard.grammar.compiler import Compiler
from app.guard.grammar.found import Grammar
from tests.app.conftest import run
from tests.app.guard.loop_time import longest_step

ANSWERS = """
import json, os, sys
for line in sys.stdin:
    text = json.loads(line)["text"]
    with open({log!r}, "a") as log:
        log.write(text + "\\n")
    if text == "die":
        os._exit(1)
    if text == "nonsense":
        print("no", flush=True)
        continue
    if text == "hang":
        import time
        time.sleep(600)
    outcome = "costly" if text == "costly" else "ok"
    print(json.dumps({{"outcome": outcome, "environment": sorted(os.environ)}}), flush=True)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def compiler(tmp_path: Path, log: Path) -> Iterator[Compiler]:
    program = tmp_path / "program.py"
    program.write_text(ANSWERS.format(log=str(log)))
    made = Compiler(libraries=str(tmp_path), program=str(program))
    yield made
    made.close()


def ask(compiler: Compiler, *texts: str) -> list[Any]:
    async def one(text: str) -> Any:
        grammar = Grammar(found.REGEX, "regex", text)
        key = compiler.key(grammar, 1)
        known = compiler.known(key)
        return known if known is not None else await compiler.answer(grammar, 1, key)

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*map(one, texts), return_exceptions=True)

    answers: list[Any] = run(all_of_them())
    return answers


def test_a_grammar_is_compiled_once_also_when_it_arrives_twice_at_once(
    compiler: Compiler, log: Path
) -> None:
    assert [a["outcome"] for a in ask(compiler, "a", "a", "costly")] == ["ok", "ok", "costly"]
    assert [a["outcome"] for a in ask(compiler, "a", "costly")] == ["ok", "costly"]
    assert log.read_text().split() == ["a", "costly"]


@pytest.mark.parametrize("fault", ["die", "nonsense"])
def test_a_helper_that_fails_refuses_this_request_and_serves_the_next(
    compiler: Compiler, log: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(compiler, fault)[0].status == 429
    assert ask(compiler, "next")[0]["outcome"] == helper.OK
    # A failure is not the grammar's: it is tried again.
    ask(compiler, fault)
    assert log.read_text().split() == [fault, "next", fault]
    assert "the helper that compiles grammars failed" in caplog.text
    assert fault not in caplog.text


def test_a_helper_that_hangs_is_ended(compiler: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilers, "ANSWER_S", 0.5)
    ask(compiler, "a")
    process = compiler._process
    assert process is not None
    assert ask(compiler, "hang")[0].status == 429
    assert process.poll() is not None


def test_the_queue_is_short(compiler: Compiler) -> None:
    answers = ask(compiler, *(f"text{i}" for i in range(compilers.WAITING + 4)))
    refused = [a for a in answers if isinstance(a, RefusedError)]
    assert {(r.status, r.limit) for r in refused} == {(429, "grammar_queue")}
    assert len(refused) == 3
    assert ask(compiler, "later")[0]["outcome"] == helper.OK


def test_a_client_that_leaves_takes_no_answer_from_another(compiler: Compiler) -> None:
    async def leave() -> Any:
        grammar = Grammar(found.REGEX, "regex", "shared")
        key = compiler.key(grammar, 1)
        first = asyncio.ensure_future(compiler.answer(grammar, 1, key))
        second = asyncio.ensure_future(compiler.answer(grammar, 1, key))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert run(leave())["outcome"] == helper.OK
    assert ask(compiler, "other")[0]["outcome"] == helper.OK


def test_the_helper_sees_no_secret_of_the_replica(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_KEY", "secret")
    names = set(ask(compiler, "a")[0]["environment"])
    assert names <= {"PATH", "LANG", "LC_CTYPE", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX"}


def test_the_answers_that_are_kept_have_a_limit(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch, log: Path
) -> None:
    monkeypatch.setattr(compilers, "KEPT", 2)
    for text in ("a", "b", "a", "c", "a", "b"):
        ask(compiler, text)
    assert log.read_text().split() == ["a", "b", "c", "b"]


def test_closing_ends_the_helper(compiler: Compiler) -> None:
    ask(compiler, "a")
    process = compiler._process
    assert process is not None
    compiler.close()
    assert process.poll() is not None


def test_the_event_loop_goes_on_while_the_helper_works(compiler: Compiler) -> None:
    """The exchange runs in the compiler's own thread."""
    threads: list[int] = []
    exchange = compiler._exchange

    def busy(job: dict[str, Any]) -> dict[str, Any]:
        threads.append(threading.get_ident())
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            pass
        return exchange(job)

    compiler._exchange = busy  # type: ignore[method-assign]
    grammar = Grammar(found.REGEX, "regex", "x")

    async def longest() -> float:
        return await longest_step(compiler.answer(grammar, 1, compiler.key(grammar, 1)))

    assert run(longest()) < 0.1
    assert threads[0] != threading.get_ident()
