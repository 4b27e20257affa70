"""A guard in front of the stub, users with cheap hashes, and clients."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.access.limits import Limits
from app.auth import passwords, tokens
from app.auth.identity import Authenticator
from app.guard.application import Guard
from app.guard.settings import GuardSettings
from tests.app.stub import StubBackend

KEY = "kTq9" + "x7Rz2LmW8vYp4NcB" * 3
OLD_KEY = "oLd1" + "Qw3rTy6uIo9pAs2D" * 3
PASSWORDS = {"alice": "correct horse alice", "bob": "battery staple bob", "gina": "gina guest pw"}
ROLES = {"alice": "admin", "bob": "user", "gina": "guest"}
HASHES = {name: passwords.hash_password(password) for name, password in PASSWORDS.items()}


def salted_sha256(password: str, salt: str = "0123456789abcdef" * 2) -> str:
    """The older form of a hash."""
    return salt + hashlib.sha256((salt + password).encode()).hexdigest()


def values(**changes: str) -> dict[str, str]:
    """A complete auth-config as names and values; a change to "" removes the name."""
    made = {"USER_LIST": "ALICE, BOB, GINA", "JWT_KEY": KEY, "GUARD_SHARED": "false"}
    for name, role in ROLES.items():
        made[f"{name.upper()}_USERNAME"] = name
        made[f"{name.upper()}_HASHED_PASSWORD"] = HASHES[name]
        made[f"{name.upper()}_ROLE"] = role
    return {name: value for name, value in {**made, **changes}.items() if value}


def write(folder: Path, content: dict[str, str]) -> None:
    """Make the folder contain exactly these files, as kubelet would."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in content:
            path.unlink()
    for name, value in content.items():
        new = folder / f".{name}"
        new.write_text(value)
        new.rename(folder / name)


class Clock:
    """A clock that a test can set; it starts at the real Unix time."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@dataclass
class Service:
    """A guard, its parts, and clients that call it."""

    guard: Guard
    backend: StubBackend
    auth: Authenticator
    limits: Limits
    clock: Clock = field(default_factory=Clock)

    def token(self, username: str) -> str:
        """A user's token, without a login."""
        return self.auth.issue(self.auth.config().users[username])[0]

    async def login(
        self, username: str, password: str, address: str = "192.0.2.1"
    ) -> httpx.Response:
        """One POST /token with a url-encoded form."""
        async with self.client(address) as client:
            form = {"username": username, "password": password}
            return await client.post("/token", data=form)

    def bearer(self, username: str) -> dict[str, str]:
        """The Authorization header of a user."""
        return {"Authorization": "Bearer " + self.token(username)}

    def service_bearer(self, name: str, role: str) -> dict[str, str]:
        """The Authorization header of a service."""
        key = self.auth.config().keys[0]
        return {
            "Authorization": "Bearer " + tokens.service_token(key, name, role, 1, self.clock())[0]
        }

    @asynccontextmanager
    async def client(self, address: str = "192.0.2.1") -> AsyncIterator[httpx.AsyncClient]:
        """A client with this address that calls the guard in this process."""
        transport = httpx.ASGITransport(
            self.guard, raise_app_exceptions=False, client=(address, 1234)
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


def build(content: dict[str, str], **settings: Any) -> Service:
    """A service with this auth-config and these settings of the guard, and its own clock."""
    clock = Clock()
    backend = StubBackend()
    auth = Authenticator(content, clock, clock)
    chosen = GuardSettings(shared=False, **settings)
    limits = Limits(clock, chosen.max_running)
    return Service(Guard(backend, auth, limits, chosen, clock=clock), backend, auth, limits, clock)


@pytest.fixture
def service() -> Iterator[Service]:
    made = build(values())
    yield made
    made.guard.close()


@pytest.fixture
def make() -> Iterator[Callable[..., Service]]:
    """`build`, with everything closed at the end."""
    made: list[Service] = []

    def maker(content: dict[str, str] | None = None, **settings: Any) -> Service:
        made.append(build(content if content is not None else values(), **settings))
        return made[-1]

    yield maker
    for service in made:
        service.guard.close()


def run(coroutine: Coroutine[Any, Any, Any], seconds: float = 60) -> Any:
    """Run a coroutine of a test, which is a plain function, for a minute at most."""

    async def bounded() -> Any:
        async with asyncio.timeout(seconds):
            return await coroutine

    return asyncio.run(bounded())


def chat(**fields: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], **fields}
