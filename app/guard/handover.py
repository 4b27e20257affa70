"""Gives vLLM's application the body that the guard has read and judged, so it is read only once.

Starlette's `Request` keeps what it has read in `_json` and `_form`, and FastAPI asks it for nothing
else. The guard puts the document or the form into the scope, and the first request object that is
asked for it takes it from there. The bytes are passed on as well, and mean the same: if a later
Starlette does not know these attributes, it reads them again, and only time is lost.
"""

from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request

from app.asgi import ASGIApp, Receive, Scope, Send

_KEY = "rayline.body"
_own_json, _own_form = Request.json, Request.form
Content = dict[str, Any] | FormData


class Carrier:
    """The engine's application, with the content of the one body that it is called for.

    The application may be called much later and with a copy of the scope, because Serve is in
    between. `close` when the request has ended; FastAPI closes the files of a form that it takes.
    """

    __slots__ = ("_app", "_content")

    def __init__(self, app: ASGIApp, content: Content | None) -> None:
        self._app = app
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        content, self._content = self._content, None
        if content is None:
            await self._app(scope, receive, send)
            return
        scope[_KEY] = content
        del content
        try:
            await self._app(scope, receive, send)
        finally:
            await _discard(scope.pop(_KEY, None))

    async def close(self) -> None:
        """Drop what the application has not been given."""
        content, self._content = self._content, None
        await _discard(content)


async def _discard(content: Content | None) -> None:
    if isinstance(content, FormData):
        await content.close()


async def _json(self: Request) -> Any:
    if isinstance(self.scope.get(_KEY), dict):
        self._json = self.scope.pop(_KEY)
    return await _own_json(self)


def _form(self: Request, **limits: Any) -> Any:
    if isinstance(self.scope.get(_KEY), FormData):
        self._form = self.scope.pop(_KEY)
    return _own_form(self, **limits)


def install() -> None:
    """Make every `Request` of this process look into its scope first. May be repeated."""
    Request.json = _json  # type: ignore[method-assign, assignment]
    Request.form = _form  # type: ignore[method-assign, assignment]
