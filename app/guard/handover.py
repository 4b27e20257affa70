"""Gives vLLM's application the body that the guard has read and judged, so it is read only once.

Starlette's `Request` keeps what it has read in `_json` and `_form`, and FastAPI asks it for nothing
else. The guard puts the document or the form into the scope, and the first request object that is
asked for it takes it from there. The bytes are passed on as well, and mean the same: if a later
Starlette does not know these attributes, it reads them again, and only time is lost.
"""

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request

_KEY = "rayline.body"
_own_json, _own_form = Request.json, Request.form
Content = dict[str, Any] | FormData


def hand_over(scope: MutableMapping[str, Any], content: Content | None) -> None:
    """Leave the content of a body for the application that is called with this scope."""
    if content is not None:
        scope[_KEY] = content


async def discard(scope: MutableMapping[str, Any]) -> None:
    """Drop what the application has not taken; FastAPI closes the files of a form that it takes."""
    content = scope.pop(_KEY, None)
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
