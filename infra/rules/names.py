"""Names: unique, and of a form that Ray and the service accept. What KubeRay demands of the
cluster's name is a part of its type (infra.settings.ray)."""

import re
from collections.abc import Iterable

from infra.settings import StackSettings
from infra.settings.problems import Problem, error, key_path, listed, set_command

RESERVED_GROUPS = {
    "head": "the head has that name among the pod templates",
    "headgroup": "KubeRay calls the head's group so",
    "memory": "it is a resource of Ray's own",
    "cpu": "it reads like a resource of Ray's own",
    "gpu": "it reads like a resource of Ray's own",
}
_ALIAS = re.compile(r"[^A-Za-z0-9]")


def check(settings: StackSettings) -> list[Problem]:
    return [
        *_unique("gpuGroups", (group.name for group in settings.gpu_groups)),
        *_unique("models", (model.name for model in settings.models)),
        *_unique("auth.users", (user.name for user in settings.auth.users)),
        *_reserved(settings),
        *_users(settings),
    ]


def user_alias(name: str) -> str:
    """The name under which the auth Secret keeps a user: upper case, other signs as _."""
    return _ALIAS.sub("_", name).upper()


def _unique(key: str, names: Iterable[str]) -> list[Problem]:
    found, seen = [], dict[str, int]()
    for number, name in enumerate(names):
        first = seen.setdefault(name.lower(), number)
        if first != number:
            here = f"rayline:{key}[{number}].name"
            found.append(
                error(
                    here,
                    f"is {name!r}, as {key}[{first}].name is; each needs a name of its own, and "
                    f"case does not count. Type: {set_command(here, f'{name}-2')}",
                )
            )
    return found


def _reserved(settings: StackSettings) -> list[Problem]:
    return [
        error(
            key := key_path("gpuGroups", number, "name"),
            f"is {group.name!r}, but {RESERVED_GROUPS[group.name]}. "
            f"Type: {set_command(key, f'{group.name}-workers')}",
        )
        for number, group in enumerate(settings.gpu_groups)
        if group.name in RESERVED_GROUPS
    ]


def _users(settings: StackSettings) -> list[Problem]:
    """app.auth.config takes letters, digits and _ as an alias, beginning with a letter."""
    roles = ("admin", "user", "guest", *settings.auth.roles)
    found, seen = [], dict[str, str]()
    for number, user in enumerate(settings.auth.users):
        key = key_path("auth", "users", number, "name")
        alias = user_alias(user.name)
        if not alias[0].isalpha():
            found.append(
                error(key, f"is {user.name!r}; allowed are names that begin with a letter")
            )
        other = seen.setdefault(alias, user.name)
        if other.lower() != user.name.lower():
            found.append(
                error(
                    key,
                    f"is {user.name!r}, which the auth Secret cannot tell from {other!r}: both "
                    f"are {alias} there. Rename one.",
                )
            )
        if user.role not in roles:
            role = key_path("auth", "users", number, "role")
            found.append(
                error(
                    role,
                    f"is {user.role!r}; roles are {listed(dict.fromkeys(roles))}. "
                    f"Type: {set_command(role, 'user')}, or describe it in rayline:auth.roles",
                )
            )
    return found
