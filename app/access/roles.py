"""Roles are data: what a user may call, and how much of it.

`ROLES` of the auth-config changes or adds roles as JSON, by name. A key that it leaves out keeps
the value of the default role of that name; a new role starts without any rights::

    {"guest": {"requests_per_minute": 5}, "batch": {"groups": ["pooling"], "priority": 10}}

A new limit is a field of `Role` and a check in `app.access.permissions` (or, where it counts over
time, in `app.access.limits`). Parsing and the table of docs/service.md follow from the field.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from app.access import routes
from app.errors import ConfigurationError

ALL = "*"
_LIMIT = 2**31


@dataclass(frozen=True)
class Role:
    """What one role may do. None means "no limit"; counts are per user, not per role."""

    name: str
    groups: frozenset[str] = frozenset()
    """Groups of routes, see `app.access.routes`."""
    models: frozenset[str] | None = None
    """Served model names; None allows every model."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Prompt and completion tokens together, counted when a request has ended."""
    concurrent: int | None = None
    """Concurrent requests."""
    max_tokens: int | None = None
    """Completion tokens that one request may ask for, over all of its prompts and answers."""
    priority: int = 0
    """Requests with a lower number run first where the engine schedules by priority."""
    share_cache: bool = False
    """Whether the users of the role share one prefix cache, see `app.cache_salt`."""
    grammars: bool = False
    """Whether the role may send EBNF and Lark grammars and structural tags; with the group
    `operate` it always may."""


_USER = routes.GROUPS - {routes.OPERATE, routes.METRICS}
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
_LIMITS = frozenset(field.name for field in fields(Role) if field.type == int | None)


def parse(text: str) -> dict[str, Role]:
    """The default roles, changed by the JSON of `ROLES`; "" changes nothing.

    A JSON null or `"*"` lifts a limit. Raises ConfigurationError.
    """
    if not text.strip():
        return dict(DEFAULTS)
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"ROLES is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ConfigurationError('ROLES must be a JSON object: {"ROLE": {"groups": [...], ...}}')
    changed = {name: _role(name, DEFAULTS.get(name, Role(name)), v) for name, v in given.items()}
    return {**DEFAULTS, **changed}


def _role(name: str, base: Role, given: Any) -> Role:
    if not isinstance(given, dict):
        kind = type(given).__name__
        raise ConfigurationError(f"ROLES: {name} is a {kind}; it must be a JSON object")
    known = [field.name for field in fields(Role) if field.name != "name"]
    for key in given:
        if key not in known:
            raise ConfigurationError(
                f"ROLES: {name} has the unknown key {key!r}; allowed: {', '.join(known)}"
            )
    return replace(base, **{key: _value(name, key, value) for key, value in given.items()})


def _value(name: str, key: str, value: Any) -> Any:
    where = f"ROLES: {key} of {name}"
    if key == "groups":
        groups = routes.GROUPS if value == ALL else _names(where, value)
        unknown = sorted(groups - routes.GROUPS)
        if unknown:
            allowed = ", ".join(sorted(routes.GROUPS))
            raise ConfigurationError(
                f"{where} contains {', '.join(unknown)}; allowed: {allowed}, or {ALL!r}"
            )
        return groups
    if key == "models":
        return None if value in (None, ALL, [ALL]) else _names(where, value)
    if key in _LIMITS and (value is None or value == ALL):
        return None
    if key in ("grammars", "share_cache"):
        if type(value) is not bool:
            raise ConfigurationError(f"{where} is {value!r}; allowed: true, false")
        return value
    minimum = 1 if key in _LIMITS else -_LIMIT
    if type(value) is not int or not minimum <= value < _LIMIT:
        allowed = f"an integer from {minimum} to {_LIMIT - 1}"
        raise ConfigurationError(f"{where} is {value!r}; allowed: {allowed}")
    return value


def _names(where: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigurationError(f"{where} is {value!r}; allowed: a list of names, or {ALL!r}")
    return frozenset(value)


def table() -> str:
    """The default roles as the Markdown table of docs/service.md, which is generated from it."""
    roles = DEFAULTS.values()
    rows = [
        ("role", *(role.name for role in roles)),
        ("---", *("---" for _ in roles)),
        *(
            (f"`{field.name}`", *(_cell(getattr(role, field.name)) for role in roles))
            for field in fields(Role)
            if field.name != "name"
        ),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(value: object) -> str:
    if value is None or value == routes.GROUPS:
        return "all" if value else "no limit"
    if isinstance(value, frozenset):
        return ", ".join(sorted(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
