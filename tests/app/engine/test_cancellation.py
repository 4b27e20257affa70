"""Generations end with their HTTP request, however its end is reported."""

import asyncio
from typing import Any

import pytest

from app import usage
from app.asgi import Receive, Scope, Send
from app.engine.cancellation import AbortsWithClient, BackgroundTasks
from app.engine.counting import Counter
from tests.app.engine.fake_engine import Client, OutputKind, output, params, request

PROMPT = [1, 2, 3, 4, 5]


class Engine:
    """A client whose requests are counted and aborted with their HTTP request."""

    def __init__(self) -> None:
        counter = Counter()
        self.client = Client()
        self.generate = counter.counted(self.client.generate)
        self.client.abort = counter.settling(  # type: ignore[method-assign, assignment]
            self.client.abort, self.client.output_processor
        )

    def serve(self, app: Any) -> AbortsWithClient:
        return AbortsWithClient(app, self.client.abort)


def test_a_cancelled_request_aborts_its_running_handler() -> None:
    """Like vLLM's `with_cancellation`: its handler is a task that a cancellation does not reach."""
    engine = Engine()
    left: list[asyncio.Task[None]] = []

    async def handler() -> None:
        async for _ in engine.generate(PROMPT, params(OutputKind.FINAL_ONLY), "a"):
            pass
        with pytest.raises(asyncio.CancelledError):
            engine.generate(PROMPT, params(OutputKind.FINAL_ONLY), "b")  # the next of a batch

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        left.append(asyncio.create_task(handler()))
        await asyncio.wait(left)

    async def serve() -> usage.Usage:
        account = usage.Usage()
        running = asyncio.create_task(request(engine.serve(app), account))
        await asyncio.sleep(0.01)
        for _ in range(4):
            engine.client.step(OutputKind.FINAL_ONLY, "a")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        by_then = usage.Usage(account.prompt_tokens, account.completion_tokens)
        await left[0]
        assert account.total == by_then.total
        return by_then

    account = asyncio.run(serve())
    assert engine.client.aborted == ["a"]
    assert (account.prompt_tokens, account.completion_tokens) == (5, 4)


def test_a_handler_that_is_still_stopping_is_aborted_and_counted() -> None:
    """Like `with_cancellation` where the server reports the disconnect: it cancels its handler and
    returns at once."""
    engine = Engine()

    async def handler() -> None:
        async for _ in engine.generate(PROMPT, params(OutputKind.FINAL_ONLY), "a"):
            pass

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.create_task(handler())
        await asyncio.sleep(0.01)
        engine.client.step(OutputKind.FINAL_ONLY, "a")
        task.cancel()

    account = usage.Usage()
    asyncio.run(request(engine.serve(app), account))
    assert engine.client.aborted[0] == "a"
    assert (account.prompt_tokens, account.completion_tokens) == (5, 1)


def test_closing_the_outputs_closes_those_of_the_engine() -> None:
    engine = Engine()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        outputs = engine.generate(PROMPT, params(OutputKind.DELTA), "a")
        first = asyncio.create_task(anext(outputs))
        await asyncio.sleep(0)
        engine.client.step(OutputKind.DELTA, "a")
        await first
        await outputs.aclose()
        assert len(engine.client.aborted) == 1
        assert not engine.client.output_processor.request_states

    asyncio.run(request(engine.serve(app), usage.Usage()))


def test_an_answer_in_the_background_is_counted_until_its_end_and_is_not_aborted() -> None:
    engine = Engine()
    tasks = BackgroundTasks()
    over: list[int] = []

    async def work() -> None:
        async for _ in engine.generate(PROMPT, params(OutputKind.FINAL_ONLY), "a"):
            pass

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks["resp_1"] = asyncio.create_task(work())

    async def serve() -> None:
        account = usage.Usage()
        await request(engine.serve(app), account)
        account.when_over(lambda: over.append(account.total))
        await asyncio.sleep(0.01)
        assert over == []
        (state,) = engine.client.output_processor.request_states.values()
        state.queue.put_nowait(output([1, 2], prompt=5))
        state.queue.put_nowait(None)
        await tasks["resp_1"]
        await asyncio.sleep(0)

    asyncio.run(serve())
    assert over == [7]
    assert engine.client.aborted == []


def test_a_cancelled_answer_in_the_background_is_over() -> None:
    engine = Engine()
    tasks = BackgroundTasks()
    over: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks["resp_1"] = asyncio.create_task(asyncio.sleep(60))

    async def serve() -> None:
        account = usage.Usage()
        await request(engine.serve(app), account)
        account.when_over(lambda: over.append(account.total))
        tasks["resp_1"].cancel()  # before it has begun
        await asyncio.sleep(0.01)

    asyncio.run(serve())
    assert over == [0]
