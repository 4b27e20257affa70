"""Pod Security: what the stack's pods ask for, and what its namespace enforces."""

from infra.facts.machine import Facts
from infra.rules.pod_template import can_be_merged
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import (
    Problem,
    error,
    key_path,
    listed,
    remove_command,
    set_command,
    warning,
)
from infra.specs import platform
from infra.specs.pod_security import violations

KEY = key_path("cluster", "podSecurity")


@rule
def the_namespace_admits_the_pods(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """A level that is set admits all pods: a refused one would only be an event of the RayCluster.
    With `auto`, whatever makes the level lower than restricted is named once, as a warning."""
    cluster = settings.cluster
    if not cluster.create_namespace or not can_be_merged(settings):
        return []
    if cluster.pod_security == "auto":
        return _lowered(settings)
    pods = platform.pods(settings).values()
    found = [reason for each in pods for reason in violations(each.template, cluster.pod_security)]
    return [_too_strict(cluster.pod_security, found)] if found else []


@rule
def a_level_needs_a_namespace_of_the_stack(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Whoever made the namespace decides what it enforces."""
    cluster = settings.cluster
    if cluster.create_namespace or cluster.pod_security == "auto":
        return []
    return [
        error(
            KEY,
            f"is {cluster.pod_security}, but has no effect, because "
            f"{key_path('cluster', 'createNamespace')} is false: label the namespace yourself. "
            f"Type: {remove_command(KEY)}",
        )
    ]


def _lowered(settings: StackSettings) -> list[Problem]:
    level = platform.enforced_level(settings)
    if f"namespace/{settings.cluster.namespace}" in settings.cluster.adopt:
        return []
    problems = []
    for owner, pod in platform.pods(settings).items():
        if not (found := violations(pod.template, "restricted")):
            continue
        # Of rayline's own pods, only the root container of fixPermissions is refused.
        own = bool(violations(pod.own, "restricted"))
        key = key_path("storage", "fixPermissions") if own else key_path(*owner, "podTemplate")
        problems.append(
            warning(
                key,
                f"makes pods that the Pod Security level restricted refuses ({listed(found)}), so "
                f"the namespace enforces {level or 'none'}. To confirm this, "
                f"type: {set_command(KEY, level or 'none')}",
            )
        )
    return problems


def _too_strict(level: str, found: list[str]) -> Problem:
    return error(
        KEY,
        f"is {level}, which refuses pods of this stack ({listed(dict.fromkeys(found))}). "
        f"Type: {set_command(KEY, 'auto')}",
    )
