"""POST /token: exchanges a user name and a password for an access token.

Neither the bytes nor the timing of an answer reveal whether the user exists: every attempt does the
same number of argon2id verifications, in a pool of threads that is too small to starve the engine.
Attempts wait for a thread in a queue that their senders share fairly.
"""

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from app.auth import passwords
from app.auth.config import User
from app.auth.fair_queue import FairQueue, QueueFullError
from app.auth.identity import Authenticator
from app.auth.lockout import Attempt, Lockout
from app.errors import RefusedError, too_many

MAX_BODY_BYTES = 8192
MAX_USERNAME_CHARACTERS = 128
WORKERS = max(1, min(2, (os.cpu_count() or 1) // 2))
MAX_WAITING, MAX_WAITING_PER_PLACE = 64, 32
"""Logins that may wait: over 2 s of work for one worker, of which half for one sender."""
LIMIT = "concurrent_logins"
_log = logging.getLogger("rayline.auth")


@dataclass(frozen=True, slots=True)
class Granted:
    """The body that answers a successful login, and the user's role."""

    body: bytes
    role: str


class Login:
    """Verifies passwords off the event loop. `close` ends its threads."""

    def __init__(self, auth: Authenticator, lockout: Lockout) -> None:
        self._auth = auth
        self._lockout = lockout
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="login")
        self._queue = FairQueue(WORKERS, MAX_WAITING_PER_PLACE, MAX_WAITING)

    async def token(self, form: Mapping[str, str], address: str, request_id: str) -> "Granted":
        """What a successful login gets; RefusedError 400, 401 or 429."""
        username, password = form.get("username"), form.get("password")
        if not username or not password:
            missing = "password" if username else "username"
            message = f"The form must contain {missing!r}."
            raise RefusedError(400, "missing_field", message, param=missing)
        if len(username) > MAX_USERNAME_CHARACTERS:
            raise _too_long("username", MAX_USERNAME_CHARACTERS, "characters")
        if len(password.encode()) > passwords.MAX_PASSWORD_BYTES:
            raise _too_long("password", passwords.MAX_PASSWORD_BYTES, "bytes")
        username = passwords.normal(username)
        # The oldest key, which stays the same while a key is replaced.
        secret = self._auth.config().keys[-1].secret
        attempt = self._lockout.attempt(username, address, secret)
        # Here, so that exhausted attempts do not wait, and again when the turn has come.
        self._lockout.check(attempt)
        try:
            await self._queue.turn(attempt.path)
        except QueueFullError:
            raise too_many(LIMIT, 1.0, "Too many concurrent logins; retry shortly.") from None
        user = await self._verified(attempt, username, password)
        if user is None:
            _log.warning("Login failed: id=%s address=%s", request_id, address)
            raise RefusedError(401, "invalid_credentials", "The username or password is incorrect.")
        token, seconds = self._auth.issue(user)
        answer = {"access_token": token, "token_type": "bearer", "expires_in": seconds}
        return Granted(json.dumps(answer).encode(), user.role)

    async def _verified(self, attempt: Attempt, username: str, password: str) -> User | None:
        """The user, if the password is right. The turn ends, and the outcome counts, when the
        thread has finished, even if the client has gone by then."""
        try:
            self._lockout.begin(attempt)
        except RefusedError:
            self._queue.release()
            raise
        user = self._auth.config().users.get(username)
        stored = user.hashed_password if user is not None else None
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._pool, passwords.verify, stored, password)

        def finish(done: asyncio.Future[bool]) -> None:
            failed = done.cancelled() or done.exception() is not None
            self._lockout.end(attempt, not failed and done.result())
            self._queue.release()

        work.add_done_callback(finish)
        return user if await asyncio.shield(work) else None

    def close(self) -> None:
        """End the threads after their current logins."""
        self._pool.shutdown(wait=False)


def _too_long(field: str, maximum: int, unit: str) -> RefusedError:
    message = f"{field!r} may have at most {maximum} {unit}."
    return RefusedError(400, "field_too_long", message, param=field)
