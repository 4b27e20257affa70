"""Counts are those of an answer's `usage`, and the engine's work where no answer reports it."""

import asyncio
import time
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest

from app import usage
from app.asgi import Receive, Scope, Send
from app.engine.cancellation import AbortsWithClient
from app.engine.counting import Counter, counted_beams
from tests.app.engine.fake_engine import Client, OutputKind, output, params, request

PROMPT = [1, 2, 3, 4, 5]


class Fixed:
    """An engine whose outputs a test writes down."""

    async def generate(
        self, prompt: list[SimpleNamespace], given: Any, request_id: str
    ) -> AsyncGenerator[Any, None]:
        for one in prompt:
            yield one

    async def abort(self, request_ids: Any) -> None:
        pass


def count(outputs: list[Any], given: Any) -> usage.Usage:
    """What one generation with these outputs counts."""
    engine = Fixed()
    generate = Counter().counted(engine.generate)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert [one async for one in generate(outputs, given, "a")] == outputs

    account = usage.Usage()
    asyncio.run(request(AbortsWithClient(app, engine.abort), account))
    return account


@pytest.mark.parametrize(
    ("kind", "outputs"),
    [
        (OutputKind.DELTA, [output([1], [7]), output([2, 3], [8]), output([4], [])]),
        (OutputKind.CUMULATIVE, [output([1], [7]), output([1, 2, 3, 4], [7, 8])]),
        (OutputKind.FINAL_ONLY, [output([1, 2, 3, 4], [7, 8])]),
    ],
)
def test_every_token_is_counted_once(kind: OutputKind, outputs: list[SimpleNamespace]) -> None:
    account = count(outputs, params(kind))
    assert (account.prompt_tokens, account.completion_tokens) == (3, 6)


def test_an_embedding_has_no_completion_tokens() -> None:
    """Like the output of vLLM's `encode`: one object where `generate` has a list of choices."""
    vector = SimpleNamespace(prompt_token_ids=[1, 2, 3], outputs=SimpleNamespace(data="tensor"))
    account = count([vector], SimpleNamespace(output_kind=None))
    assert (account.prompt_tokens, account.completion_tokens) == (3, 0)


def test_the_prompt_of_an_encoder_counts() -> None:
    heard = output([1])
    heard.encoder_prompt_token_ids = [0] * 50
    assert count([heard], params(OutputKind.FINAL_ONLY)).prompt_tokens == 53


def test_outside_a_request_calls_are_unchanged() -> None:
    async def warm_up() -> int:
        generate = Counter().counted(Fixed().generate)
        return len([one async for one in generate([output([1])], params(OutputKind.DELTA), "a")])

    assert asyncio.run(warm_up()) == 1


def test_the_time_of_the_first_token_is_known_for_both_kinds_of_answers() -> None:
    began = time.perf_counter()
    streamed = count([output([1])], params(OutputKind.DELTA)).first_token_at
    whole = count([output([1, 2], latency=5.0)], params(OutputKind.FINAL_ONLY)).first_token_at
    assert streamed is not None
    assert whole is not None
    assert began < streamed < began + 4
    assert began + 5 <= whole < began + 9


@pytest.mark.parametrize("kind", OutputKind)
@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("end", ["cancelled", "closed", "aborted"])
def test_what_an_abandoned_request_used_is_counted(
    kind: OutputKind, steps: int, n: int, end: str
) -> None:
    """Also when it was abandoned during its prefill, and for every kind of outputs."""
    client, counter = Client(), Counter()
    generate = counter.counted(client.generate)
    client.abort = counter.settling(  # type: ignore[method-assign, assignment]
        client.abort, client.output_processor
    )

    async def read() -> None:
        async for _ in generate(PROMPT, params(kind, n), "a"):
            pass

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.create_task(read())
        await asyncio.sleep(0.01)
        for _ in range(steps):
            for index in range(n):
                client.step(kind, "a", index)
        await asyncio.sleep(0.01)
        if end == "cancelled":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        elif end == "aborted":
            await client.abort(["a"])
            await task
        # Otherwise the request ends while the task still reads.

    account = usage.Usage()
    asyncio.run(request(AbortsWithClient(app, client.abort), account))
    assert (account.prompt_tokens, account.completion_tokens) == (5, steps * n)
    assert not client.output_processor.request_states


class Search:
    """vLLM's beam search: one request with `max_tokens=1` per beam and step, then one output."""

    def __init__(self, generate: Any, steps: int) -> None:
        self._generate, self._steps = generate, steps

    async def beam_search(self, prompt: list[int], width: int) -> AsyncGenerator[Any, None]:
        beams = [list(prompt)]
        for step in range(self._steps):
            tasks = [asyncio.create_task(self._one(beam, f"{step}-{i}")) for i, beam in
                     enumerate(beams)]  # fmt: skip
            await asyncio.gather(*tasks)
            beams = [[*(beams[0]), 9] for _ in range(width)]
        yield output(*(beam[len(prompt) :] for beam in beams), prompt=len(prompt))

    async def _one(self, beam: list[int], name: str) -> None:
        one = output([9], prompt=len(beam))
        assert [found async for found in self._generate([one], params(OutputKind.FINAL_ONLY), name)]


@pytest.mark.parametrize("apart", [True, False])
def test_a_beam_search_counts_its_prompt_once_and_the_beams_that_it_returns(apart: bool) -> None:
    """`apart`: each step of the generator runs in a task of its own, as for several prompts."""
    search = Search(Counter().counted(Fixed().generate), steps=20)
    beam_search = counted_beams(Search.beam_search)

    async def one(outputs: AsyncGenerator[Any, None]) -> Any:
        return await (asyncio.create_task(outputs.__anext__()) if apart else outputs.__anext__())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        searches = [beam_search(search, PROMPT, 4), beam_search(search, PROMPT, 4)]
        for outputs in searches:
            await one(outputs)
            await outputs.aclose()

    account = usage.Usage()
    asyncio.run(request(AbortsWithClient(app, Fixed().abort), account))
    assert (account.prompt_tokens, account.completion_tokens) == (10, 2 * 4 * 20)


def test_a_beam_search_that_is_abandoned_counts_the_tokens_of_its_steps() -> None:
    client, counter = Client(), Counter()
    search = Search(counter.counted(Fixed().generate), steps=10**6)
    beam_search = counted_beams(Search.beam_search)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.timeout(0.05):
            await anext(beam_search(search, PROMPT, 4))

    account = usage.Usage()
    with pytest.raises(TimeoutError):
        asyncio.run(request(AbortsWithClient(app, client.abort), account))
    assert account.prompt_tokens == 5
    assert account.completion_tokens > 4
