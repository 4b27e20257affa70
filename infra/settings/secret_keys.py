"""The encrypted keys of a stack: what each is for, and the form that its value must have."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_HASH = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[^$\s]+\$[^$\s]+|[0-9a-f]{96}")
"""As app.auth.passwords accepts: argon2id, or the how-to's 16-byte salt and SHA-256 in hex."""
_LEAST_KEY_BYTES = 32
"""As app.auth.config demands of JWT_KEY."""


@dataclass(frozen=True)
class SecretKey:
    """A `rayline:<name>` that is set with --secret. `command` is what to type for it."""

    name: str
    description: str
    command: str
    by_user: bool = False
    """true: an object, user name to value."""
    encrypted: bool = True
    """false: may be plain as well."""


def _entry(name: str, description: str, **more: bool) -> SecretKey:
    """Without a value the command asks for it, so that none is in a shell's history."""
    return SecretKey(name, description, f"pulumi config set --secret rayline:{name}", **more)


SECRET_KEYS: Mapping[str, SecretKey] = {
    key.name: key
    for key in (
        SecretKey(
            "jwtKey",
            "Signs the tokens of POST /token; at least 32 bytes. Absent: one is made.",
            "python -m app.users key | pulumi config set --secret rayline:jwtKey",
        ),
        _entry(
            "jwtPreviousKeys",
            "Keys whose tokens still count after a change of jwtKey, separated by commas.",
        ),
        SecretKey(
            "userHashes",
            "Hash of each user's password, by user name. A user without one gets a generated "
            "password, see the stack's output `passwords`.",
            "python -m app.users hash | "
            "pulumi config set --secret --path 'rayline:userHashes.<name>'",
            by_user=True,
        ),
        _entry(
            "hubToken",
            "Token of the hub, for gated and private models. Only download Jobs see it.",
        ),
        _entry("rayToken", "Ray's own token (dashboard, Serve's API). Absent: one is made."),
        _entry("registryUsername", "User name for the push to the registry.", encrypted=False),
        _entry("registryPassword", "Password or token for the push to the registry."),
    )
}


def hash_problem(value: str) -> str | None:
    """What is wrong with a stored hash, or None. Never repeats it."""
    if _HASH.fullmatch(value):
        return None
    return "is neither an argon2id hash ($argon2id$...) nor a salted SHA-256 (32 + 64 hex digits)"


def jwt_key_problem(value: str) -> str | None:
    """What is wrong with a signing key, or None. Never repeats it."""
    size = len(value.encode())
    if size >= _LEAST_KEY_BYTES:
        return None
    return f"has {size} bytes; allowed are at least {_LEAST_KEY_BYTES}"
