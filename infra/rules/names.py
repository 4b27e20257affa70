"""Names must be unique and not reserved. Their syntax is checked by the settings types, including
what KubeRay demands of the cluster's name."""

from collections.abc import Iterable
from itertools import count

from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import (
    Problem,
    error,
    key_path,
    listed,
    set_command,
)

RESERVED_GROUPS = {
    "head": "the pod template of the head has that name",
    "headgroup": "KubeRay gives that name to the head's group",
    "memory": "Ray has a resource of that name",
    "cpu": "it is too close to a resource of Ray",
    "gpu": "it is too close to a resource of Ray",
}


@rule
def names_are_unique(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Objects are named after them in lower case, so case does not distinguish two names."""
    return [
        *_unique("gpuGroups", (group.name for group in settings.gpu_groups)),
        *_unique("models", (model.name for model in settings.models)),
        *_unique("auth.users", (user.name for user in settings.auth.users)),
    ]


def _unique(key: str, names: Iterable[str]) -> list[Problem]:
    problems, seen = [], dict[str, int]()
    for number, name in enumerate(names):
        first = seen.setdefault(name.lower(), number)
        if first != number:
            here = f"rayline:{key}[{number}].name"
            problems.append(
                error(
                    here,
                    f"is {name!r}, which {key}[{first}].name already has; names must be unique, "
                    f"ignoring case. Type: {set_command(here, f'{name}-2')}",
                )
            )
    return problems


@rule
def aliases_are_unique(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """A client that sends a name must mean one model, and so must a role that lists one."""
    problems = []
    taken = {model.name: key_path("models", i, "name") for i, model in enumerate(settings.models)}
    for number, model in enumerate(settings.models):
        for index, alias in enumerate(model.aliases):
            key = key_path("models", number, "aliases", index)
            if alias in taken:
                free = next(name for n in count(2) if (name := f"{alias[:250]}-{n}") not in taken)
                problems.append(
                    error(
                        key,
                        f"is {alias!r}, which {taken[alias]} already has; names of models must be "
                        f"unique. Type: {set_command(key, free)}, or remove it from the list",
                    )
                )
                taken[free] = key
            else:
                taken[alias] = key
    return problems


@rule
def no_group_has_a_reserved_name(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """A group's name is also a key among the pod templates and a Ray resource."""
    return [
        error(
            key := key_path("gpuGroups", number, "name"),
            f"is {group.name!r}, which is reserved: {RESERVED_GROUPS[group.name]}. "
            f"Type: {set_command(key, f'{group.name}-workers')}",
        )
        for number, group in enumerate(settings.gpu_groups)
        if group.name in RESERVED_GROUPS
    ]


@rule
def roles_exist(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """The service refuses to start with a user of an unknown role."""
    roles = dict.fromkeys(("admin", "user", "guest", *settings.auth.roles))
    return [
        error(
            key := key_path("auth", "users", number, "role"),
            f"is {user.role!r}; known roles are {listed(roles)}. "
            f"Type: {set_command(key, 'user')}, or describe the role in rayline:auth.roles",
        )
        for number, user in enumerate(settings.auth.users)
        if user.role not in roles
    ]
