"""Roles are data: what a user may call, and how much of it.

`ROLES` of the auth-config changes or adds roles as JSON, by name; what a role does not say is as
in the default role of that name, and closed in a new one::

    {"guest": {"requests_per_minute": 5}, "batch": {"groups": ["pooling"], "priority": 10}}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from app.access import routes

ALL = "*"


class RoleError(ValueError):
    """`ROLES` says something that no role can be."""


@dataclass(frozen=True)
class Role:
    """What one role may do. None is "no limit"; counts are per user, not per role."""

    name: str
    groups: frozenset[str] = frozenset()
    models: frozenset[str] | None = None
    """Served model names; None is every model."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Prompt and completion tokens together, counted when a request has ended."""
    concurrent: int | None = None
    max_tokens: int | None = None
    """Largest completion that one request may ask for, in tokens."""
    priority: int = 0
    """Lower runs first, where the engine schedules by priority; else unused."""


_USER = routes.GROUPS - {routes.OPERATE}
_GUEST = frozenset({routes.INFERENCE, routes.POOLING, routes.MODELS})
DEFAULTS: Mapping[str, Role] = {
    "admin": Role("admin", routes.GROUPS),
    "user": Role(
        "user",
        _USER,
        requests_per_minute=600,
        tokens_per_minute=1_000_000,
        concurrent=64,
        max_tokens=32_768,
        priority=10,
    ),
    "guest": Role(
        "guest",
        _GUEST,
        requests_per_minute=20,
        tokens_per_minute=20_000,
        concurrent=2,
        max_tokens=1024,
        priority=100,
    ),
}
_COUNTS = ("requests_per_minute", "tokens_per_minute", "concurrent", "max_tokens")


def parse(text: str) -> dict[str, Role]:
    """The default roles, changed by the JSON of `ROLES`; "" changes nothing. May raise RoleError.

    A JSON null or `"*"` lifts a limit.
    """
    if not text.strip():
        return dict(DEFAULTS)
    try:
        given = json.loads(text)
    except ValueError as error:
        raise RoleError(f"ROLES is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise RoleError('ROLES must be a JSON object: {"ROLE": {"groups": [...], ...}}')
    changed = {name: _role(name, DEFAULTS.get(name, Role(name)), v) for name, v in given.items()}
    return {**DEFAULTS, **changed}


def _role(name: str, base: Role, given: Any) -> Role:
    if not isinstance(given, dict):
        raise RoleError(f"ROLES: {name} must be an object, not {type(given).__name__}")
    known = [field.name for field in fields(Role) if field.name != "name"]
    for key in given:
        if key not in known:
            raise RoleError(f"ROLES: {name} has {key!r}; allowed: {', '.join(known)}")
    return replace(base, **{key: _value(name, key, value) for key, value in given.items()})


def _value(name: str, key: str, value: Any) -> Any:
    where = f"ROLES: {key} of {name}"
    if key == "groups":
        groups = routes.GROUPS if value == ALL else _names(where, value)
        unknown = sorted(groups - routes.GROUPS)
        if unknown:
            raise RoleError(f"{where}: {unknown}; allowed: {', '.join(sorted(routes.GROUPS))}")
        return groups
    if key == "models":
        return None if value in (None, ALL, [ALL]) else _names(where, value)
    if key in _COUNTS and (value is None or value == ALL):
        return None
    least = 1 if key in _COUNTS else -(2**31)
    if type(value) is not int or not least <= value < 2**31:
        raise RoleError(f"{where}: {value!r}; allowed: an integer from {least} to {2**31 - 1}")
    return value


def _names(where: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RoleError(f"{where}: {value!r}; allowed: a list of names, or {ALL!r}")
    return frozenset(value)
