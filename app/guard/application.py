"""The pure ASGI layer in front of vLLM's application: closed unless everything says open.

The order is: plain path, headers, token, route, role, limits, body, bounds, engine. It answers
POST /token, GET /health and GET /ready itself. Bytes of an answer pass through untouched; a chunk
costs one comparison. Decisions use the raw path and never Host (CVE-2026-48710, CVE-2026-48746).
"""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from app.access import routes
from app.access.ledger import Connect, Sharing, connect_ray
from app.access.limits import Limits
from app.access.routes import Route
from app.asgi import ASGIApp, Receive, Scope, Send
from app.auth.identity import Auth, Identity
from app.auth.lockout import Lockout
from app.auth.login import MAX_BODY_BYTES, Login
from app.auth.tokens import TokenError
from app.errors import RefusedError, unauthorized
from app.guard import body as bodies
from app.guard import bounds, client_address, openapi
from app.guard.headers import Received, for_engine, received
from app.guard.request import Exchange, unavailable
from app.guard.settings import GuardSettings, from_environment
from app.usage import Usage, current


class Backend(Protocol):
    """The engine, as far as the guard needs to know it."""

    @property
    def app(self) -> ASGIApp | None:
        """vLLM's application; None until the engine is up."""
        ...

    def alive(self) -> bool:
        """False: the engine died."""
        ...

    def ready(self) -> bool:
        """True once the first token was generated."""
        ...


class Guard:
    """One per replica.

    A backend may also have `model_length` (tokens of context) and `max_running` (requests at
    once): what the engine knows goes before what the environment says.
    """

    def __init__(
        self,
        backend: Backend,
        auth: Auth,
        limits: Limits,
        settings: GuardSettings,
        connect: Connect | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._auth = auth
        self._limits = limits
        self._settings = settings
        self._lockout = Lockout(clock)
        self._login = Login(auth, self._lockout)
        self._served: tuple[object, frozenset[tuple[str, str]]] = (None, frozenset())
        self._sharing = None
        if connect is not None:
            name = secrets.token_hex(8)
            self._sharing = Sharing(name, limits, self._lockout, connect)

    @classmethod
    def from_environment(cls, backend: Backend, environ: Mapping[str, str]) -> "Guard":
        """The guard of a replica; ConfigError or SettingsError when it must not start."""
        settings = from_environment(environ)
        most: int = getattr(backend, "max_running", None) or settings.max_running
        limits = Limits(time.monotonic, most)
        connect = connect_ray if settings.shared else None
        return cls(backend, Auth(environ), limits, settings, connect)

    @property
    def running(self) -> int:
        """Requests with the engine now, streams included: what a drain waits for."""
        return self._limits.running

    def routes(self) -> list[tuple[str, str, str]]:
        """(method, path, group or "closed") of every route of the backend's application."""
        live = routes.live(self._backend.app) if self._backend.app is not None else []
        return [(method, path, routes.judge(method, path)) for method, path in live]

    def close(self) -> None:
        """End the login threads and the exchange with other replicas."""
        self._login.close()
        if self._sharing is not None:
            self._sharing.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Only http reaches the engine."""
        if scope["type"] == "http":
            if self._sharing is not None:
                self._sharing.start()
            await Exchange(scope, receive, send).run(self._handle)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "not served"})

    async def _handle(self, exchange: Exchange) -> None:
        scope = exchange.scope
        path = routes.plain_path(scope)
        if path is None:
            raise RefusedError(400, "invalid_path", "The path must be written plainly, unescaped.")
        headers = received(scope["headers"], self._settings.bounds)
        route = routes.find(scope["method"], path)
        if route is not None and route.group == routes.PUBLIC:
            exchange.route = route.template
            await self._public(route.template, headers, exchange)
            return
        try:
            who = self._auth.identify(headers.authorization)
        except TokenError as error:
            exchange.note = str(error)
            raise unauthorized() from None
        exchange.who = who.key
        if route is None:
            raise _closed(path)
        exchange.route = route.template
        if route.group not in who.role.groups:
            message = f"Your role {who.role.name!r} may not call this route."
            raise RefusedError(403, "route_not_allowed", message)
        await self._forward(route, who, headers, exchange)

    async def _public(self, template: str, headers: Received, exchange: Exchange) -> None:
        if template == "/token":
            bodies.declared_length(headers.length, MAX_BODY_BYTES)
            body = await bodies.read(exchange.receive, MAX_BODY_BYTES)
            client = exchange.scope.get("client")
            settings = self._settings
            peer = client_address.peer(
                client[0] if client else "unknown",
                headers.client,
                headers.proof,
                settings.proxy_proof,
            )
            address = client_address.of(peer, headers.forwarded, settings.trusted_proxies)
            form = bodies.form(headers.content_type, body)
            answer = await self._login.token(form, address, exchange.id)
            await exchange.answer(200, answer, [(b"cache-control", b"no-store")])
            return
        good = self._backend.alive() and self._backend.app is not None
        if template == "/ready":
            good = good and self._backend.ready()
        if not good:
            raise unavailable()
        await exchange.answer(200, b'{"status":"ok"}', [])

    async def _forward(
        self, route: Route, who: Identity, headers: Received, exchange: Exchange
    ) -> None:
        app = self._backend.app
        if app is None or not self._backend.alive():
            raise unavailable()
        if not self._has(app, route):
            text = "The served model does not have this route; GET /openapi.json lists what it has."
            raise RefusedError(404, "not_supported", text)
        limits = self._settings.bounds
        most = limits.audio_body_bytes if route.group == routes.AUDIO else limits.body_bytes
        bodies.declared_length(headers.length, most)
        account = self._limits.admit(who)
        usage = Usage()
        try:
            body = b""
            if route.method == "POST":
                body = await bodies.read(exchange.receive, most)
                body = self._checked(route, who, headers, body)
            elif who.role.models is not None and route.group == routes.INFERENCE:
                self._model(who, None)
            scope = for_engine(exchange.scope, body, exchange.id)
            send = exchange.relay(self._backend.alive)
            if route.template == openapi.PATH:
                send = openapi.rewriting(send, who.role.groups)
            token = current.set(usage)
            try:
                await app(scope, exchange.replay(body), send)
            finally:
                current.reset(token)
        finally:
            self._limits.release(who, account, usage.total)
            exchange.usage = usage

    def _has(self, app: ASGIApp, route: Route) -> bool:
        """Whether this model's application has the route: its own 404 is not of OpenAI's shape."""
        if self._served[0] is not app:
            known = hasattr(app, "routes")  # FastAPI's, or what stands for it
            self._served = (app, frozenset(routes.live(app) if known else ()))
        served = self._served[1]
        key = route.method, route.template
        return not served or key in served or ("*", route.template) in served

    def _checked(self, route: Route, who: Identity, headers: Received, body: bytes) -> bytes:
        """The body for the engine: the same bytes, unless the role's numbers are written in."""
        if route.group == routes.AUDIO:
            self._audio(who, bodies.form(headers.content_type, body))
            return body
        if not body and route.group == routes.OPERATE:
            return body
        document = bounds.parse(body)
        length = getattr(self._backend, "model_length", None) or self._settings.model_length
        added = bounds.check(document, route.template, who.role, self._settings.bounds, length)
        if route.group != routes.OPERATE:
            self._model(who, document.get("model"))
            if self._settings.priority and route.group == routes.INFERENCE:
                added = {**added, "priority": who.role.priority}
        if not added:
            return body
        return json.dumps({**document, **added}).encode()

    def _audio(self, who: Identity, form: Mapping[str, str]) -> None:
        numbers = ("n", "max_completion_tokens")
        document = {k: int(v) if k in numbers and v.isdecimal() else v for k, v in form.items()}
        bounds.check(document, "", who.role, self._settings.bounds, None)
        self._model(who, form.get("model"))

    def _model(self, who: Identity, model: object) -> None:
        allowed = who.role.models
        name = model if model is not None else self._settings.model_name
        if allowed is not None and not (isinstance(name, str) and name in allowed):
            message = f"Your role may use these models: {', '.join(sorted(allowed)) or 'none'}."
            raise RefusedError(403, "model_not_allowed", message, param="model")


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _closed(path: str) -> RefusedError:
    allowed = routes.methods(path)
    if allowed:
        text = f"This route allows {', '.join(allowed)}."
        return RefusedError(405, "method_not_allowed", text, allow=", ".join(allowed))
    return RefusedError(404, "not_found", "There is no such route; GET /openapi.json lists them.")
