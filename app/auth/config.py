"""The `auth-config` contract: parses names and values into users, keys and roles.

Values come from the files of a mounted Secret, one file per name, or from environment variables
where there is no such folder. The two are never mixed: a user who is removed from the Secret must
not remain valid through the environment.

USER_LIST                     aliases, as "ALICE, BOB"
{ALIAS}_USERNAME              the login name
{ALIAS}_HASHED_PASSWORD       made by `python -m app.users hash`
{ALIAS}_ROLE                  a role: admin, user, guest or one of ROLES
JWT_KEY                       signs tokens; at least 32 bytes: `python -m app.users key`
JWT_PREVIOUS_KEYS             keys whose tokens remain valid, separated by spaces or commas
ACCESS_TOKEN_EXPIRE_MINUTES   lifetime of a user's token; 60 by default
SKIP_EXP_CHECK                true accepts expired tokens; every start logs a warning
REVOKED_SERVICE_TOKENS        ids or names of service tokens that are no longer accepted
ROLES                         JSON, see `app.access.roles`
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.access import roles
from app.auth import passwords
from app.errors import ConfigurationError

DEFAULT_MINUTES, MAX_MINUTES = 60, 31 * 24 * 60
MIN_KEY_BYTES = 32
_MIN_DISTINCT = 8
_KNOWN_KEYS = frozenset(
    {
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "a-string-secret-at-least-256-bits-long",
        "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
        "your-256-bit-secret-your-256-bit-secret",
        "your-secret-key-your-secret-key-your-secret-key",
        "secret-key-that-is-at-least-32-bytes-long",
        "your-super-secret-jwt-token-with-at-least-32-characters-long",
    }
)
_DEFAULT_WORDS = re.compile(
    r"(change[-_ ]?(me|this|it)|your[-_ ]|placeholder|default[-_ ]|example|insert[-_ ]|"
    r"my[-_ ]?(super[-_ ]?)?secret|super[-_ ]?secret|secret[-_ ]?key|jwt[-_ ]?(key|secret))",
    re.IGNORECASE,
)
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_USERNAME = re.compile(r"[^\x00-\x20\x7f-\xa0\u2028\u2029]{1,128}")


@dataclass(frozen=True)
class User:
    """One user. `version` changes with the password hash and is part of the user's tokens."""

    username: str
    role: str
    hashed_password: str = field(repr=False)
    version: str = ""


@dataclass(frozen=True)
class Key:
    """A signing key and the `kid` by which tokens refer to it."""

    kid: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True)
class AuthConfig:
    """Everything that decides who may call. The current key is the first of `keys`."""

    users: Mapping[str, User]
    keys: tuple[Key, ...]
    roles: Mapping[str, roles.Role]
    token_minutes: int = DEFAULT_MINUTES
    skip_exp_check: bool = False
    revoked: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()


def parse(values: Mapping[str, str]) -> AuthConfig:
    """The whole configuration; ConfigurationError when any part of it is wrong."""
    users, problems = parse_users(values)
    if problems:
        raise ConfigurationError("; ".join(problems))
    keys = parse_keys(values)
    table = roles.parse(values.get("ROLES", ""))
    for user in users.values():
        if user.role not in table:
            raise ConfigurationError(
                f"the role of user {user.username!r} is {user.role!r}; allowed: {', '.join(table)}"
            )
    skip = _flag(values, "SKIP_EXP_CHECK")
    return AuthConfig(
        users=users,
        keys=keys,
        roles=table,
        token_minutes=_minutes(values),
        skip_exp_check=skip,
        revoked=frozenset(words(values.get("REVOKED_SERVICE_TOKENS", ""))),
        warnings=tuple(_warnings(users, skip)),
    )


def parse_users(values: Mapping[str, str]) -> tuple[dict[str, User], list[str]]:
    """The users by name, and the problems of the entries that were skipped."""
    users: dict[str, User] = {}
    problems: list[str] = []
    for alias in words(values.get("USER_LIST", "")):
        try:
            user = _user(alias, values)
            if user.username in users:
                raise ConfigurationError(f"{alias}_USERNAME is also the name of another alias")
        except ConfigurationError as error:
            problems.append(str(error))
        else:
            users[user.username] = user
    return users, problems


def parse_keys(values: Mapping[str, str]) -> tuple[Key, ...]:
    """The current key, then the previous ones; ConfigurationError for a missing or weak key."""
    current = _key("JWT_KEY", values.get("JWT_KEY", "").strip())
    previous = [
        _key(f"JWT_PREVIOUS_KEYS (number {number})", text)
        for number, text in enumerate(words(values.get("JWT_PREVIOUS_KEYS", "")), 1)
    ]
    return tuple({key.kid: key for key in [current, *previous]}.values())


def _user(alias: str, values: Mapping[str, str]) -> User:
    if not _ALIAS.fullmatch(alias):
        raise ConfigurationError(f"USER_LIST contains {alias!r}; allowed: letters, digits and _")
    entry = {}
    for suffix in ("USERNAME", "HASHED_PASSWORD", "ROLE"):
        entry[suffix] = values.get(f"{alias}_{suffix}", "").strip()
        if not entry[suffix]:
            raise ConfigurationError(f"{alias}_{suffix} is missing, but USER_LIST names {alias}")
    username = passwords.normal(entry["USERNAME"])  # as logins are compared
    if not _USERNAME.fullmatch(username):
        allowed = "1 to 128 characters without spaces"
        raise ConfigurationError(f"{alias}_USERNAME is not a valid name; allowed: {allowed}")
    try:
        passwords.weakness(entry["HASHED_PASSWORD"])
    except ConfigurationError as error:
        raise ConfigurationError(f"{alias}_HASHED_PASSWORD: {error}") from None
    version = hashlib.sha256(entry["HASHED_PASSWORD"].encode()).hexdigest()[:16]
    return User(username, entry["ROLE"], entry["HASHED_PASSWORD"], version)


def _key(where: str, text: str) -> Key:
    advice = "create one with: python -m app.users key"
    if not text:
        raise ConfigurationError(f"{where} is missing; {advice}")
    secret = text.encode()
    if len(secret) < MIN_KEY_BYTES:
        size = f"{len(secret)} bytes; it needs at least {MIN_KEY_BYTES}"
        raise ConfigurationError(f"{where} has {size}; {advice}")
    if text in _KNOWN_KEYS or _DEFAULT_WORDS.search(text):
        raise ConfigurationError(f"{where} is a placeholder or a published example; {advice}")
    if len(set(text)) < _MIN_DISTINCT:
        raise ConfigurationError(f"{where} only repeats a few characters; {advice}")
    kid = hashlib.sha256(b"rayline kid\0" + secret).hexdigest()[:16]
    return Key(kid, secret)


def _minutes(values: Mapping[str, str]) -> int:
    text = values.get("ACCESS_TOKEN_EXPIRE_MINUTES", "").strip() or str(DEFAULT_MINUTES)
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= MAX_MINUTES:
        allowed = f"1 to {MAX_MINUTES}"
        raise ConfigurationError(f"ACCESS_TOKEN_EXPIRE_MINUTES is {text!r}; allowed: {allowed}")
    return int(text)


def _flag(values: Mapping[str, str], name: str) -> bool:
    text = values.get(name, "").strip().lower()
    if text not in {"", "true", "false", "1", "0"}:
        raise ConfigurationError(f"{name} is {text!r}; allowed: true, false")
    return text in {"true", "1"}


def words(text: str) -> list[str]:
    """The entries of a list that is separated by spaces or commas."""
    return text.replace(",", " ").split()


def _warnings(users: Mapping[str, User], skip_exp_check: bool) -> list[str]:
    warnings = []
    if not users:
        warnings.append("USER_LIST is empty: only service tokens can be used")
    if skip_exp_check:
        warnings.append(
            "SKIP_EXP_CHECK is on: EXPIRED TOKENS ARE ACCEPTED; never use this in production"
        )
    for user in users.values():
        weak = passwords.weakness(user.hashed_password)
        if weak:
            warnings.append(f"user {user.username!r}: {weak}")
    return warnings
