"""The ASGI application in front of vLLM's: a request reaches vLLM only if every check passes.

The order of the checks is: path, headers, token, route, role, limits, body, bounds, engine.
`Guard._answer` has them in that order. The guard answers POST /token, preflights of browsers and
the probes /, /health and /ready itself. The bytes of an answer pass through untouched; a chunk
costs one comparison. Decisions use the raw path and never Host (CVE-2026-48710, CVE-2026-48746).
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial

from app import cache_salt
from app.access import permissions, routes
from app.access.ledger import Connect, Synchronizer, connect_ray
from app.access.limits import Limits
from app.access.routes import Route
from app.asgi import ASGIApp, Receive, Scope, Send
from app.auth.identity import Authenticator, Identity
from app.auth.lockout import Lockout
from app.auth.login import Login
from app.auth.tokens import TokenError
from app.errors import RefusedError, unauthorized
from app.guard import answers, arrival, credential, models, openapi, payload
from app.guard.backend import Backend, EngineRoutes
from app.guard.bounds import Bounds
from app.guard.cors import Cors
from app.guard.front import HANDED, Handed
from app.guard.grammar.compiler import Compiler
from app.guard.grammar.found import parser
from app.guard.handover import Carrier
from app.guard.headers import Received, for_engine, received
from app.guard.payload import Payload, Rules
from app.guard.public import PublicRoutes
from app.guard.request import Request
from app.guard.rewriting import rewriting
from app.guard.settings import GuardSettings, from_environment
from app.metrics.counts import Counts
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
        self.counts = Counts(by_user=settings.metrics_by_user)
        lockout = Lockout(clock, *settings.login_failures())
        self._alive = backend.alive
        self._auth = auth
        self._limits = limits
        self._settings = settings
        self._engine = EngineRoutes(backend, settings)
        # The largest body that is allowed always fits when no other is there.
        self._room = arrival.Room(
            max(
                settings.open_body_bytes,
                settings.body_bytes,
                settings.audio_body_bytes,
                settings.media_body_bytes,
            )
        )
        self._compiler = Compiler(parser(settings.engine_args, settings.model_name))
        self._public = PublicRoutes(backend, Login(auth, lockout), settings)
        self._cors = Cors(settings.cors_origins) if settings.cors_origins else None
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
    def bounds(self) -> Bounds:
        """The largest sizes of one request, as they are set."""
        return self._settings

    @property
    def running(self) -> int:
        """Requests that the engine is processing, streams included; a drain waits for them."""
        return self._limits.running

    @property
    def max_running(self) -> int:
        """Requests that the engine may process at the same time."""
        return self._limits.max_running

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
            handed: Handed | None = (scope.get("extensions") or {}).get(HANDED)
            if handed is not None:
                await handed.run(scope, receive, send)
            else:
                await self._logged(Request(scope, receive, send))
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "not supported"})

    async def before_serve(
        self, serve: ASGIApp, prefix: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request before Serve has taken it in, see `app.guard.front`.

        `prefix` is the application's, without a final slash.
        """
        if scope["type"] != "http":
            await self(scope, receive, send)
            return
        request = Request(
            {**scope, "root_path": scope.get("root_path", "") + prefix}, receive, send
        )
        request.serve, request.serve_root = serve, scope.get("root_path", "")
        await self._logged(request)

    async def _logged(self, request: Request) -> None:
        if self._synchronizer is not None:
            self._synchronizer.start()
        try:
            await self._answer(request)
        except asyncio.CancelledError:
            request.gone()
            raise
        except Exception as error:
            await request.fail(error)
        finally:
            (request.usage or Usage()).when_over(partial(self._ended, request))

    def _ended(self, request: Request) -> None:
        self.counts.add(request.answered())
        request.write_log()

    async def _answer(self, request: Request) -> None:
        """Make every check in the order of the module's docstring, then let the engine answer."""
        scope = request.scope
        if self._cors is not None:
            request.extra = self._cors.headers(scope["headers"])
        path = routes.plain_path(scope)
        if path is None:
            text = "The path must be plain, without escaped characters."
            raise RefusedError(400, "invalid_path", text)
        request.anthropic = credential.is_anthropic(path)
        headers = received(scope["headers"], self._settings)
        request.address = self._public.address(headers, request)
        if self._cors is not None and (answer := self._cors.preflight(scope)) is not None:
            request.note = "preflight"
            await request.answer(204, b"", answer)
            return
        route = routes.find(scope["method"], path)
        if route is not None and route.group == routes.PUBLIC:
            request.route = route.template
            await self._public.answer(route.template, headers, request)
            return
        caller = self._identify(credential.authorization(headers, path), request)
        if route is None:
            raise _closed(path)
        request.route = route.template
        permissions.check_route(caller.role, route)
        await self._admitted(route, caller, headers, request)

    async def _admitted(
        self, route: Route, caller: Identity, headers: Received, request: Request
    ) -> None:
        """From the caller's limits to the engine, for a route that the role may call."""
        app = self._engine.application(route)
        bound = self._engine.body_bound(route)
        declared = arrival.declared_length(headers.length, bound)
        account = self._limits.admit(caller.key, caller.role)
        usage = request.usage = Usage()
        counting = current.set(usage)  # vLLM's application counts the tokens of this request in it
        salting = cache_salt.current.set(self._auth.cache_salt(caller))
        held = None
        try:
            given, served = Payload(b""), self._engine.served
            if route.template in answers.STORED:
                path, ids = routes.plain_path(request.scope), self._auth.answer_ids(caller)
                answers.check_path(path or "", caller.role, ids)
            if route.method == "POST":
                held = self._room.hold(caller.key, declared)
                body = await arrival.read(request.receive, bound, arrival.REQUEST_PACE, held.grow)
                rules = Rules(self._settings, served, self._engine.table, self._compiler)
                given = await payload.checked(body, headers.content_type, route, caller.role, rules)
                del body
                if route.template == answers.CREATE:
                    given = answers.owned(given, caller.role, self._auth.answer_ids(caller))
            elif route.group == routes.INFERENCE:
                permissions.check_model(caller.role, None, served)
            send = request.relay(self._alive)
            if route.template == openapi.PATH:
                send = rewriting(send, partial(openapi.described, groups=caller.role.groups))
            elif route.group == routes.MODELS and caller.role.models is not None:
                send = rewriting(send, partial(models.allowed, role=caller.role, served=served))
            scope = for_engine(request.scope, given.body, request.id)
            carrier, receive = Carrier(app, given.content), request.replay(given.body)
            del given  # a stream may take hours; the engine has the body by then
            try:
                await request.run(carrier, scope, receive, send)
            finally:
                await carrier.close()
        finally:
            cache_salt.current.reset(salting)
            current.reset(counting)
            if held is not None:
                held.release()
            usage.when_over(lambda: self._limits.release(caller.key, account, usage.total))

    def _identify(self, authorization: bytes | None, request: Request) -> Identity:
        try:
            caller = self._auth.identify(authorization)
        except TokenError as error:
            request.note = str(error)
            raise unauthorized() from None
        request.caller, request.role = caller.key, caller.role.name
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
