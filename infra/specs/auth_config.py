"""The content of the auth Secret, as `app.auth.config` reads it (docs/service.md)."""

import hashlib
import json
import re
from collections.abc import Mapping

from infra.settings.auth import ALL, Auth, Role
from infra.specs import Leaf

# The service's limit for an alias (64) without a suffix of "_x" and 6 digits.
_MAXIMUM_PLAIN = 56


def auth_config(
    auth: Auth, hashes: Mapping[str, Leaf], jwt_key: Leaf, previous: Leaf | None
) -> dict[str, Leaf]:
    """The Secret's `stringData`. `hashes` has one hash per user name; KeyError if one is missing.

    Every entry is always present, if necessary with an empty value, because values that are no
    longer configured must not stay in the cluster, above all keys whose tokens are still accepted.
    """
    data: dict[str, Leaf] = {
        "JWT_KEY": jwt_key,
        "JWT_PREVIOUS_KEYS": "" if previous is None else previous,
        "ACCESS_TOKEN_EXPIRE_MINUTES": str(auth.token_minutes),
        "SKIP_EXP_CHECK": "true" if auth.skip_expiry_check else "false",
        "REVOKED_SERVICE_TOKENS": " ".join(auth.revoked_service_tokens),
        "ROLES": _roles(auth.roles),
        "USER_LIST": ", ".join(alias(user.name) for user in auth.users),
    }
    for user in auth.users:
        data[f"{alias(user.name)}_USERNAME"] = user.name
        data[f"{alias(user.name)}_HASHED_PASSWORD"] = hashes[user.name]
        data[f"{alias(user.name)}_ROLE"] = user.role
    return data


def _roles(roles: Mapping[str, Role]) -> str:
    """JSON with the fields that a stack gives, as app.access.roles reads it: null lifts a limit."""
    if not roles:
        return ""
    given = {
        name: {key: _role_value(getattr(role, key)) for key in role.model_fields_set}
        for name, role in roles.items()
    }
    return json.dumps(given, sort_keys=True)


def _role_value(value: object) -> object:
    return ALL if isinstance(value, tuple) and ALL in value else value


def alias(user: str) -> str:
    """The name of a user in the Secret's entries: ALICE for alice.

    Names that have no such form (Alice, a.b, 7) get an alias with digits of their hash and a
    lowercase letter, which no other alias contains: no two users share an alias, and an alias does
    not depend on other users.
    """
    plain = re.sub(r"[^A-Z0-9]", "_", user.upper())
    if not plain[0].isalpha():
        plain = f"U{plain}"
    if plain.lower() == user and len(plain) <= _MAXIMUM_PLAIN:
        return plain
    digest = hashlib.sha256(user.encode()).hexdigest()[:6]
    return f"{plain[:_MAXIMUM_PLAIN]}_x{digest}"
