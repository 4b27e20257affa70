"""Ties the engine's generations to an HTTP request: counts their tokens and aborts them with it.

vLLM's application answers the request; the only code between it and the engine is `counted` and
`follow`. They count what the engine really produced, so no streamed byte is parsed, and they know
which generations to abort when the client has disconnected.
"""

import asyncio
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextvars import ContextVar
from typing import Any

from app import usage
from app.asgi import Receive, Scope, Send

Outputs = AsyncGenerator[Any, None]

# How long an abandoned request waits for the engine's last outputs, so that they are counted.
SETTLE_SECONDS = 0.5


class Generations:
    """The open engine requests of one HTTP request. `abandoned`: its client has disconnected."""

    __slots__ = ("_closed", "abandoned", "ids")

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.abandoned = False
        self._closed = asyncio.Event()

    def close(self, request_id: str) -> None:
        """Removes a request that has ended."""
        self.ids.discard(request_id)
        if not self.ids:
            self._closed.set()

    async def abort(self, abort: Callable[[Iterable[str]], Awaitable[None]]) -> None:
        """Aborts the open requests and waits briefly until their last outputs are counted."""
        self.abandoned = True
        if not self.ids:
            return
        self._closed.clear()
        await abort(list(self.ids))
        try:
            await asyncio.wait_for(self._closed.wait(), SETTLE_SECONDS)
        except TimeoutError:
            return  # the engine is too busy to confirm; it has the abort and will act on it


current: ContextVar[Generations | None] = ContextVar("rayline_generations", default=None)


class AbortsWithClient:
    """vLLM's application, made to stop when the server cancels a request.

    Ray Serve cancels the task of a request whose client has disconnected. That is enough to end a
    stream, but no other answer: vLLM's `with_cancellation` awaits the handler's task in
    `asyncio.wait`, which leaves that task running when it is cancelled itself, so the engine would
    generate an answer that no one receives. Open generations are therefore aborted by their ids.
    """

    def __init__(self, app: Any, abort: Callable[[Iterable[str]], Awaitable[None]]) -> None:
        self._app = app
        self._abort = abort

    @property
    def routes(self) -> list[Any]:
        """The live routes, for the guard's checks."""
        return list(self._app.routes)

    def openapi(self) -> dict[str, Any]:
        """What the application says about its routes; FastAPI makes it once and keeps it."""
        description: dict[str, Any] = self._app.openapi()
        return description

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        mine = Generations()
        token = current.set(mine)
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            await mine.abort(self._abort)
            raise
        finally:
            current.reset(token)


def counted(call: Callable[..., Outputs]) -> Callable[..., Outputs]:
    """The engine's `generate` or `encode`, bound to the HTTP request that it serves.

    Both take (prompt, parameters, request id). Outside a request, the call is unchanged.
    """

    @functools.wraps(call)
    def counting(*args: Any, **kwargs: Any) -> Outputs:
        generations, account = current.get(), usage.current.get()
        if generations is None:
            return call(*args, **kwargs)
        if generations.abandoned:  # a beam search or a batch that had not started
            raise asyncio.CancelledError
        params = args[1] if len(args) > 1 else kwargs.get("sampling_params")
        request_id = args[2] if len(args) > 2 else kwargs["request_id"]
        delta = getattr(getattr(params, "output_kind", None), "name", "") == "DELTA"
        outputs = call(*args, **kwargs)
        return follow(outputs, request_id, generations, account or usage.Usage(), delta)

    return counting


async def follow(
    outputs: Outputs, request_id: str, generations: Generations, account: usage.Usage, delta: bool
) -> Outputs:
    """The same outputs, counted. `delta`: each contains only its new tokens, not all so far.

    Closing this generator closes `outputs`, which makes vLLM abort the generation.
    """
    before: dict[int, int] = {}
    prompt_counted = False
    generations.ids.add(request_id)
    try:
        async for output in outputs:
            if not prompt_counted and output.prompt_token_ids is not None:
                account.prompt_tokens += len(output.prompt_token_ids)
                prompt_counted = True
            for choice in output.outputs if isinstance(output.outputs, list) else ():  # or a vector
                tokens = len(choice.token_ids)
                account.completion_tokens += tokens - (0 if delta else before.get(choice.index, 0))
                before[choice.index] = tokens
            yield output
    finally:
        generations.close(request_id)
        await outputs.aclose()
