"""The ASGI application in front of vLLM's: a request reaches vLLM only if every check passes.

The order of the checks is: path, headers, token, route, role, limits, body, bounds, engine.
`Guard._answer` has them in that order. The guard answers POST /token, GET /health and GET /ready
itself. The bytes of an answer pass through untouched; a chunk costs one comparison. Decisions use
the raw path and never Host (CVE-2026-48710, CVE-2026-48746).
"""

import secrets
import time
from collections.abc import Callable, Mapping

from app.access import permissions, routes
from app.access.ledger import Connect, Synchronizer, connect_ray
from app.access.limits import Limits
from app.asgi import Receive, Scope, Send
from app.auth.identity import Authenticator, Identity
from app.auth.lockout import Lockout
from app.auth.login import Login
from app.auth.tokens import TokenError
from app.errors import RefusedError, unauthorized
from app.guard import body as bodies
from app.guard import openapi, payload
from app.guard.backend import Backend, EngineRoutes
from app.guard.grammar.compiler import Compiler
from app.guard.grammar.found import parser
from app.guard.headers import Received, for_engine, received
from app.guard.public import PublicRoutes
from app.guard.request import Request
from app.guard.settings import GuardSettings, from_environment
from app.usage import Usage, current


class Guard:
    """One per replica. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        backend: Backend,
        auth: Authenticator,
        limits: Limits,
        settings: GuardSettings,
        connect: Connect | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        lockout = Lockout(clock)
        self._alive = backend.alive
        self._auth = auth
        self._limits = limits
        self._settings = settings
        self._engine = EngineRoutes(backend, settings)
        self._compiler = Compiler(parser(settings.engine_args, settings.model_name))
        self._public = PublicRoutes(backend, Login(auth, lockout), settings)
        self._synchronizer = None
        if connect is not None:
            self._synchronizer = Synchronizer(secrets.token_hex(8), limits, lockout, connect)

    @classmethod
    def from_environment(cls, backend: Backend, environ: Mapping[str, str]) -> "Guard":
        """The guard of a replica; ConfigurationError when it must not start."""
        settings = from_environment(environ)
        max_running: int = getattr(backend, "max_running", None) or settings.max_running
        limits = Limits(time.monotonic, max_running)
        connect = connect_ray if settings.shared else None
        return cls(backend, Authenticator(environ), limits, settings, connect)

    @property
    def running(self) -> int:
        """Requests that the engine is processing, streams included; a drain waits for them."""
        return self._limits.running

    def routes(self) -> list[tuple[str, str, str]]:
        """(method, path, group or "closed") of every route of the backend's application."""
        return [
            (method, path, routes.required_group(method, path))
            for method, path in self._engine.live()
        ]

    def close(self) -> None:
        """End the login threads and the synchronization with other replicas."""
        self._public.close()
        self._compiler.close()
        if self._synchronizer is not None:
            self._synchronizer.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Only HTTP reaches the engine."""
        if scope["type"] == "http":
            if self._synchronizer is not None:
                self._synchronizer.start()
            request = Request(scope, receive, send)
            try:
                await self._answer(request)
            except Exception as error:
                await request.fail(error)
            finally:
                request.write_log()
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "not supported"})

    async def _answer(self, request: Request) -> None:
        """Make every check in the order of the module's docstring, then let the engine answer."""
        scope = request.scope
        path = routes.plain_path(scope)
        if path is None:
            text = "The path must be plain, without escaped characters."
            raise RefusedError(400, "invalid_path", text)
        headers = received(scope["headers"], self._settings)
        route = routes.find(scope["method"], path)
        if route is not None and route.group == routes.PUBLIC:
            request.route = route.template
            await self._public.answer(route.template, headers, request)
            return
        caller = self._identify(headers, request)
        if route is None:
            raise _closed(path)
        request.route = route.template
        permissions.check_route(caller.role, route)
        app = self._engine.application(route)
        bound = self._settings.body_bytes
        if route.group == routes.AUDIO:
            bound = self._settings.audio_body_bytes
        bodies.declared_length(headers.length, bound)
        account = self._limits.admit(caller.key, caller.role)
        usage = request.usage = Usage()
        counting = current.set(usage)  # vLLM's application counts the tokens of this request in it
        try:
            body, served = b"", self._engine.served
            if route.method == "POST":
                body = await bodies.read(request.receive, bound)
                body = await payload.checked(
                    body, headers.content_type, route, caller.role, self._settings, served,
                    self._compiler,
                )  # fmt: skip
            elif route.group == routes.INFERENCE:
                permissions.check_model(caller.role, None, served)
            send = request.relay(self._alive)
            if route.template == openapi.PATH:
                send = openapi.rewriting(send, caller.role.groups)
            await app(for_engine(scope, body, request.id), request.replay(body), send)
        finally:
            current.reset(counting)
            self._limits.release(caller.key, account, usage.total)

    def _identify(self, headers: Received, request: Request) -> Identity:
        try:
            caller = self._auth.identify(headers.authorization)
        except TokenError as error:
            request.note = str(error)
            raise unauthorized() from None
        request.caller = caller.key
        return caller


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _closed(path: str) -> RefusedError:
    allowed = ", ".join(routes.methods(path))
    if allowed:
        text = f"This method is not allowed for this route; allowed: {allowed}."
        return RefusedError(405, "method_not_allowed", text, allow=allowed)
    text = "This route does not exist; GET /openapi.json lists the routes."
    return RefusedError(404, "not_found", text)
