"""Aborts the engine's generations with the HTTP request that they serve.

vLLM's application answers the request. `app.engine.counting` tells this module which generations a
request has, and this module ends them when the client has disconnected.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from typing import Any

from app import usage
from app.asgi import Receive, Scope, Send


class Generations:
    """The open engine requests of one HTTP request. `abandoned`: the HTTP request has ended."""

    __slots__ = ("abandoned", "background", "ids")

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.abandoned = False
        self.background = False
        """The generations belong to an answer that a later request will fetch."""

    async def end(self, abort: Callable[[Iterable[str]], Awaitable[None]]) -> None:
        """Aborts what is still open, except an answer in the background; nothing else may begin."""
        if self.background:
            return
        self.abandoned = True
        if self.ids:
            await abort(list(self.ids))


current: ContextVar[Generations | None] = ContextVar("rayline_generations", default=None)


class AbortsWithClient:
    """vLLM's application, made to stop when the server cancels a request.

    Ray Serve cancels the task of a request whose client has disconnected. That is enough to end a
    stream, but no other answer: vLLM's `with_cancellation` awaits the handler's task in
    `asyncio.wait`, which leaves that task running when it is cancelled itself, so the engine would
    generate an answer that no one receives. Where the server reports the disconnect instead,
    `with_cancellation` cancels the handler but does not wait until it has stopped. What is open at
    the end of the request is therefore aborted by its id, and counted by then.
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
        finally:
            current.reset(token)
            await mine.end(self._abort)


class BackgroundTasks(dict[str, "asyncio.Task[Any]"]):
    """vLLM's tasks for `background: true` of the Responses API, by the id of the answer.

    vLLM adds a task within the HTTP request that asks for it. The request is answered at once, but
    its tokens are counted, and its place among the running requests is taken, until the task ends.
    """

    def __setitem__(self, response_id: str, task: "asyncio.Task[Any]") -> None:
        super().__setitem__(response_id, task)
        account, generations = usage.current.get(), current.get()
        if account is not None and generations is not None:
            generations.background = True
            account.background_began()
            task.add_done_callback(lambda _: account.background_ended())
