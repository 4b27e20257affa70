"""The encrypted keys of a stack: the purpose of each, and the form of its value."""

import re
from collections.abc import Mapping

from infra.settings.framework.secret_key import SecretKey

_HASH = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[^$\s]+\$[^$\s]+|[0-9a-f]{96}")
"""The forms that app.auth.passwords accepts: argon2id, or a 16-byte salt and a SHA-256 in hex, as
the original hand-made deployment wrote them (docs/origin.md)."""
_MINIMUM_KEY_BYTES = 32
"""The minimum size that app.auth.config requires of JWT_KEY."""


def _entry(name: str, description: str, **more: bool) -> SecretKey:
    """Without a value the command prompts for it, which keeps secrets out of the shell history."""
    return SecretKey(name, description, f"pulumi config set --secret rayline:{name}", **more)


SECRET_KEYS: Mapping[str, SecretKey] = {
    key.name: key
    for key in (
        SecretKey(
            "jwtKey",
            "Signs the tokens of POST /token; at least 32 bytes. Absent: rayline generates one.",
            "rayline users key | pulumi config set --secret rayline:jwtKey",
        ),
        _entry(
            "jwtPreviousKeys",
            "Keys whose tokens remain valid after jwtKey has changed, separated by commas.",
        ),
        SecretKey(
            "userHashes",
            "Hash of each user's password, by user name. A name with a dot or an @ goes into "
            'brackets: rayline:userHashes["jane.doe"]. A user without a hash gets a generated '
            "password, which the stack output `passwords` shows.",
            "rayline users hash | pulumi config set --secret --path 'rayline:userHashes.<name>'",
            by_user=True,
        ),
        _entry(
            "hubToken",
            "Token of the hub, for gated and private models. Only download Jobs receive it.",
        ),
        _entry(
            "rayToken",
            "Ray's own token (dashboard, Serve's API). Absent: rayline generates one.",
        ),
        _entry("registryUsername", "User name for pushing to the registry.", encrypted=False),
        _entry("registryPassword", "Password or token for pushing to the registry."),
        _entry(
            "pullUsername",
            "User name for pulling the image, for image.createPullSecret. Absent: "
            "registryUsername.",
            encrypted=False,
        ),
        _entry(
            "pullPassword",
            "Password or token for pulling the image, for image.createPullSecret. Absent: "
            "registryPassword.",
        ),
    )
}


def hash_problem(value: str) -> str | None:
    """What is wrong with a stored hash, or None. The text never contains the hash."""
    if _HASH.fullmatch(value):
        return None
    return "is neither an argon2id hash ($argon2id$...) nor a salted SHA-256 (32 + 64 hex digits)"


def jwt_key_problem(value: str) -> str | None:
    """What is wrong with a signing key, or None. The text never contains the key."""
    size = len(value.encode())
    if size >= _MINIMUM_KEY_BYTES:
        return None
    return f"has {size} bytes; at least {_MINIMUM_KEY_BYTES} are required"
