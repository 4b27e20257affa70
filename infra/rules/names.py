"""Names: unique, and none that means something else. Their form is a part of their types
(infra.settings), what KubeRay demands of the cluster's name too."""

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


def check(settings: StackSettings) -> list[Problem]:
    return [
        *_unique("gpuGroups", (group.name for group in settings.gpu_groups)),
        *_unique("models", (model.name for model in settings.models)),
        *_unique("auth.users", (user.name for user in settings.auth.users)),
        *_reserved(settings),
        *_roles(settings),
    ]


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


def _roles(settings: StackSettings) -> list[Problem]:
    roles = dict.fromkeys(("admin", "user", "guest", *settings.auth.roles))
    return [
        error(
            key := key_path("auth", "users", number, "role"),
            f"is {user.role!r}; roles are {listed(roles)}. "
            f"Type: {set_command(key, 'user')}, or describe it in rayline:auth.roles",
        )
        for number, user in enumerate(settings.auth.users)
        if user.role not in roles
    ]
