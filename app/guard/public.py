"""The routes that need no token: POST /token, and GET or HEAD of /, /health and /ready."""

from app.auth.login import MAX_BODY_BYTES, Login
from app.guard import arrival, client_address, forms
from app.guard.backend import Backend, unavailable
from app.guard.headers import Received
from app.guard.request import Request
from app.guard.settings import GuardSettings


class PublicRoutes:
    """Logins and the two probes. `close` ends the threads of the logins."""

    def __init__(self, backend: Backend, login: Login, settings: GuardSettings) -> None:
        self._backend = backend
        self._login = login
        self._bodies = arrival.LoginBodies()
        self._trusted_proxies = settings.trusted_proxies
        self._proof = client_address.proxy_proof(
            settings.ray_token.get_secret_value(), settings.ray_token_path
        )

    async def answer(self, template: str, headers: Received, request: Request) -> None:
        """Answer a request to one of these routes, or raise its RefusedError."""
        if template == "/token":
            await self._token(headers, request)
            return
        healthy = self._backend.alive() and self._backend.app is not None
        if template == "/ready":
            healthy = healthy and self._backend.ready()
        if not healthy:
            raise unavailable()
        await request.answer(200, b'{"status":"ok"}', [])

    def close(self) -> None:
        """End the threads of the logins."""
        self._login.close()

    async def _token(self, headers: Received, request: Request) -> None:
        declared = arrival.declared_length(headers.length, MAX_BODY_BYTES)
        body = await self._bodies.read(request.receive, declared, request.address)
        form = await forms.read_texts(headers.content_type, body)
        granted = await self._login.token(form, request.address, request.id)
        request.role = granted.role
        await request.answer(200, granted.body, [(b"cache-control", b"no-store")])

    def address(self, headers: Received, request: Request) -> str:
        """The client's address, as far as the proxies in front are known."""
        client = request.scope.get("client")
        connection = client[0] if client else client_address.UNKNOWN
        peer = client_address.behind_serve(connection, headers.client, headers.proof, self._proof)
        return client_address.behind_trusted(peer, headers.forwarded, self._trusted_proxies)
