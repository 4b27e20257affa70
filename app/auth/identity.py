"""Identifies the caller of a request, and the caller's current role, by Authorization header."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.access.answers import Ids
from app.access.roles import Role
from app.auth.config import AuthConfig, User
from app.auth.source import WatchedConfig
from app.auth.tokens import TokenError, Verifier, user_token
from app.cache_salt import salt

_log = logging.getLogger("rayline.auth")
_REPEAT_WARNING_S = 60.0


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller. Limits are counted under `key`, which differs for a user and a service of the
    same name."""

    key: str
    role: Role


class Authenticator:
    """Identifies callers by the current users, keys and roles, and issues tokens.

    `clock` is monotonic; `wall_clock` is Unix time.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = WatchedConfig(environ, clock)
        self._clock = clock
        self._wall_clock = wall_clock
        self._verifier = Verifier(wall_clock)
        self._next_warning = 0.0

    def config(self) -> AuthConfig:
        """The current configuration, reloaded if its files have changed."""
        return self._source.current()

    def identify(self, header: bytes | None) -> Identity:
        """The sender of this Authorization header; TokenError unless the token is valid."""
        if header is None:
            raise TokenError("missing")
        if header[:7].lower() != b"bearer ":
            raise TokenError("scheme")
        config = self._source.current()
        claims = self._verifier.verify(header[7:], config, self._source.generation)
        if config.skip_exp_check:
            self._warn()
        if claims.kind == "service":
            if claims.jti in config.revoked or claims.subject in config.revoked:
                raise TokenError("revoked")
            return Identity("service:" + claims.subject, _role(config, claims.role))
        user = config.users.get(claims.subject)
        if user is None:
            raise TokenError("user_removed")
        if user.version != claims.version:
            raise TokenError("password_changed")
        return Identity("user:" + claims.subject, _role(config, user.role))

    def cache_salt(self, caller: Identity) -> str:
        """What separates the prompts of this caller from others' in the engine's cache."""
        owner = f"role:{caller.role.name}" if caller.role.share_cache else caller.key
        return salt(self._source.current().keys[0].secret, owner)

    def answer_ids(self, caller: Identity) -> Ids:
        """The ids of the answers that the engine stores for this caller."""
        return Ids([key.secret for key in self._source.current().keys], caller.key)

    def issue(self, user: User) -> tuple[str, int]:
        """A new token for a user, and its lifetime in seconds."""
        config = self._source.current()
        minutes = config.token_minutes
        return user_token(config.keys[0], user, minutes, self._wall_clock()), minutes * 60

    def _warn(self) -> None:
        if self._clock() >= self._next_warning:
            self._next_warning = self._clock() + _REPEAT_WARNING_S
            _log.warning("SKIP_EXP_CHECK is on: expired tokens are being accepted.")


def _role(config: AuthConfig, name: str) -> Role:
    role = config.roles.get(name)
    if role is None:
        raise TokenError("unknown_role")
    return role
