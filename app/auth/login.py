"""POST /token: exchanges a user name and a password for an access token.

Neither the bytes nor the timing of an answer reveal whether the user exists: every attempt does one
argon2id verification, in a pool of threads that is too small to starve the engine.
"""

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from app.auth import passwords
from app.auth.identity import Authenticator
from app.auth.lockout import Lockout, pair_key
from app.errors import RefusedError, too_many

MAX_BODY_BYTES = 8192
MAX_USERNAME_CHARACTERS = 128
WORKERS = max(1, min(2, (os.cpu_count() or 1) // 2))
MAX_WAITING = 32
"""Logins that may run or wait: about one second of work for two workers."""
LIMIT = "concurrent_logins"
_log = logging.getLogger("rayline.auth")


class Login:
    """Verifies passwords off the event loop. `close` ends its threads."""

    def __init__(self, auth: Authenticator, lockout: Lockout) -> None:
        self._auth = auth
        self._lockout = lockout
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="login")
        self._waiting = 0

    async def token(self, form: Mapping[str, str], address: str, request_id: str) -> bytes:
        """The body that answers a successful login; RefusedError 400, 401 or 429."""
        username, password = form.get("username"), form.get("password")
        if not username or not password:
            missing = "password" if username else "username"
            message = f"The form must contain {missing!r}."
            raise RefusedError(400, "missing_field", message, param=missing)
        if len(username) > MAX_USERNAME_CHARACTERS:
            raise _too_long("username", MAX_USERNAME_CHARACTERS, "characters")
        if len(password.encode()) > passwords.MAX_PASSWORD_BYTES:
            raise _too_long("password", passwords.MAX_PASSWORD_BYTES, "bytes")
        if self._waiting >= MAX_WAITING:
            raise too_many(LIMIT, 1.0, "Too many concurrent logins; retry shortly.")
        pair = pair_key(username, address)
        self._lockout.begin(pair)
        succeeded: bool | None = None
        self._waiting += 1
        try:
            user = self._auth.config().users.get(username)
            stored = user.hashed_password if user is not None else None
            loop = asyncio.get_running_loop()
            succeeded = await loop.run_in_executor(self._pool, passwords.verify, stored, password)
        except asyncio.CancelledError:
            succeeded = False
            raise
        finally:
            self._waiting -= 1
            self._lockout.end(pair, succeeded)
        if user is None or not succeeded:
            _log.warning("Login failed: id=%s address=%s", request_id, address)
            raise RefusedError(401, "invalid_credentials", "The username or password is incorrect.")
        token, seconds = self._auth.issue(user)
        answer = {"access_token": token, "token_type": "bearer", "expires_in": seconds}
        return json.dumps(answer).encode()

    def close(self) -> None:
        """End the threads after their current logins."""
        self._pool.shutdown(wait=False)


def _too_long(field: str, maximum: int, unit: str) -> RefusedError:
    message = f"{field!r} may have at most {maximum} {unit}."
    return RefusedError(400, "field_too_long", message, param=field)
