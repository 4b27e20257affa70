"""The engine as the guard sees it: whether it runs, and the routes that its model has."""

from typing import Protocol

from app.access import routes
from app.access.permissions import Served
from app.access.routes import Route
from app.asgi import ASGIApp
from app.errors import RefusedError
from app.guard.fields.table import Table
from app.guard.settings import GuardSettings

ENGINE_RETRY_S = 10.0


class Backend(Protocol):
    """The part of the engine that the guard needs.

    A backend may also have `model_length` (tokens of context), `model_names`, `accepts_media` and
    `max_running` (concurrent requests); the engine's own facts take precedence over the
    environment's.
    """

    @property
    def app(self) -> ASGIApp | None:
        """vLLM's application; None until the engine is up."""
        ...

    def alive(self) -> bool:
        """False once the engine has died."""
        ...

    def ready(self) -> bool:
        """True once the engine has generated a first token."""
        ...


def unavailable() -> RefusedError:
    """503 with Retry-After: no engine can answer now."""
    text = "The engine is not running; it restarts automatically."
    return RefusedError(503, "engine_unavailable", text, retry_after=ENGINE_RETRY_S)


class EngineRoutes:
    """vLLM's application and what it serves, looked up once per application."""

    def __init__(self, backend: Backend, settings: GuardSettings) -> None:
        self._backend = backend
        self._settings = settings
        self._app: ASGIApp | None = None
        self._live: frozenset[tuple[str, str]] = frozenset()
        self._body_bytes = settings.body_bytes
        self.served = self._served()
        self.table = Table({})

    def application(self, route: Route) -> ASGIApp:
        """The application for a listed route; RefusedError 503 without an engine, 404 where this
        model does not have the route (the application's own 404 is not of OpenAI's shape)."""
        app = self._backend.app
        if app is None or not self._backend.alive():
            raise unavailable()
        if self._app is not app:
            self._look_up(app)
        key = route.method, route.template
        if self._live and key not in self._live and ("*", route.template) not in self._live:
            text = "The served model does not have this route; GET /openapi.json lists its routes."
            raise RefusedError(404, "not_supported", text)
        return app

    def live(self) -> list[tuple[str, str]]:
        """(method, path) of every route of the application; empty without an engine."""
        return routes.live(self._backend.app) if self._backend.app is not None else []

    def _look_up(self, app: ASGIApp) -> None:
        known = hasattr(app, "routes")  # FastAPI's, or a stand-in for it
        self._live = frozenset(routes.live(app) if known else ())
        self.served = self._served()
        self.table = Table(app.openapi() if hasattr(app, "openapi") else {})
        if getattr(self._backend, "accepts_media", False):
            self._body_bytes = max(self._settings.body_bytes, self._settings.media_body_bytes)
        self._app = app

    def _served(self) -> Served:
        settings = self._settings
        names = getattr(self._backend, "model_names", None)
        context = getattr(self._backend, "model_length", None) or settings.model_length
        return Served(
            names or (settings.model_name, *settings.model_aliases), context, settings.priority
        )

    def body_bound(self, route: Route) -> int:
        """The largest body of a request to this route, in bytes."""
        return self._settings.audio_body_bytes if route.group == routes.AUDIO else self._body_bytes
