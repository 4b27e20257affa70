"""Tokens counted and generations aborted per HTTP request, on an engine that needs no model."""

import asyncio
import enum
from collections.abc import AsyncGenerator, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from app import usage
from app.asgi import Message, Receive, Scope, Send
from app.engine.cancellation import AbortsWithClient, counted


class OutputKind(enum.Enum):
    CUMULATIVE = 0
    DELTA = 1
    FINAL_ONLY = 2


def params(kind: OutputKind) -> SimpleNamespace:
    return SimpleNamespace(output_kind=kind)


def output(*choices: list[int]) -> SimpleNamespace:
    named = [SimpleNamespace(index=i, token_ids=tokens) for i, tokens in enumerate(choices)]
    return SimpleNamespace(prompt_token_ids=[1, 2, 3], outputs=named)


class Engine:
    """Like vLLM's: `generate` ends with a last output when its request is aborted."""

    def __init__(self) -> None:
        self.aborted: dict[str, asyncio.Event] = {}
        self.closed = 0

    async def generate(
        self, prompt: list[SimpleNamespace], given: Any, request_id: str
    ) -> AsyncGenerator[Any, None]:
        self.aborted[request_id] = asyncio.Event()
        try:
            for one in prompt:
                yield one
            if given.output_kind is OutputKind.FINAL_ONLY:
                await self.aborted[request_id].wait()
                yield output([1, 2, 3, 4])
        finally:
            self.closed += 1

    async def abort(self, request_ids: Iterable[str]) -> None:
        for request_id in request_ids:
            self.aborted[request_id].set()


async def call(app: Any, account: usage.Usage) -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        return {}

    async def send(message: Message) -> None:
        pass

    usage.current.set(account)
    await app({"type": "http"}, receive, send)


@pytest.mark.parametrize(
    ("kind", "outputs"),
    [
        (OutputKind.DELTA, [output([1], [7]), output([2, 3], [8]), output([4], [])]),
        (OutputKind.CUMULATIVE, [output([1], [7]), output([1, 2, 3, 4], [7, 8])]),
    ],
)
def test_every_token_is_counted_once(kind: OutputKind, outputs: list[SimpleNamespace]) -> None:
    engine = Engine()
    generate = counted(engine.generate)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert [one async for one in generate(outputs, params(kind), "a")] == outputs

    account = usage.Usage()
    asyncio.run(call(AbortsWithClient(app, engine.abort), account))
    assert (account.prompt_tokens, account.completion_tokens) == (3, 6)


def test_an_embedding_has_no_completion_tokens() -> None:
    """Like the output of vLLM's `encode`: one object where `generate` has a list of choices."""
    engine = Engine()
    vector = SimpleNamespace(prompt_token_ids=[1, 2, 3], outputs=SimpleNamespace(data="tensor"))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        encode = counted(engine.generate)
        assert [one async for one in encode([vector], SimpleNamespace(output_kind=None), "a")]

    account = usage.Usage()
    asyncio.run(call(AbortsWithClient(app, engine.abort), account))
    assert (account.prompt_tokens, account.completion_tokens) == (3, 0)


def test_outside_a_request_calls_are_unchanged() -> None:
    engine = Engine()

    async def warm_up() -> int:
        outputs = counted(engine.generate)([output([1])], params(OutputKind.DELTA), "a")
        return len([one async for one in outputs])

    assert asyncio.run(warm_up()) == 1


def test_a_cancelled_request_aborts_its_running_handler() -> None:
    """Like vLLM's `with_cancellation`: its handler is a task that a cancellation does not reach."""
    engine = Engine()
    generate = counted(engine.generate)
    left: list[asyncio.Task[None]] = []

    async def handler() -> None:
        async for _ in generate([], params(OutputKind.FINAL_ONLY), "a"):
            pass
        with pytest.raises(asyncio.CancelledError):
            generate([], params(OutputKind.FINAL_ONLY), "b")  # the next request of a batch

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        left.append(asyncio.create_task(handler()))
        await asyncio.wait(left)

    async def serve() -> usage.Usage:
        account = usage.Usage()
        request = asyncio.create_task(call(AbortsWithClient(app, engine.abort), account))
        await asyncio.sleep(0.01)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        counted_by_then = usage.Usage(account.prompt_tokens, account.completion_tokens)
        await left[0]
        return counted_by_then

    account = asyncio.run(serve())
    assert engine.closed == 1
    assert (account.prompt_tokens, account.completion_tokens) == (3, 4)


def test_closing_the_outputs_closes_those_of_the_engine() -> None:
    engine = Engine()
    generate = counted(engine.generate)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        outputs = generate([output([1]), output([2])], params(OutputKind.DELTA), "a")
        await anext(outputs)
        await outputs.aclose()
        assert engine.closed == 1

    asyncio.run(call(AbortsWithClient(app, engine.abort), usage.Usage()))
