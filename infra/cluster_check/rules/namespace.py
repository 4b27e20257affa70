"""The stack's namespace, and what its administrators have limited in it."""

from infra.cluster_check.facts import ClusterFacts
from infra.cluster_check.registry import cluster_rule, kubectl
from infra.cluster_check.workloads import workloads
from infra.settings import StackSettings
from infra.settings.framework.problems import (
    Problem,
    error,
    key_path,
    listed,
    set_command,
    warning,
)
from infra.specs import platform
from infra.specs.pod_security import ENFORCE, violations

_KEY = key_path("cluster", "namespace")


@cluster_rule
def the_namespace_is_as_configured(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """With `createNamespace: false` the namespace exists; otherwise no other namespace of that name
    does (a warning). It is not being deleted."""
    found, key = facts.namespace.value, key_path("cluster", "createNamespace")
    name = settings.cluster.namespace
    if found is None:
        if settings.cluster.create_namespace:
            return []
        return [
            error(
                key,
                f"is false, but the cluster has no namespace {name}. "
                f"Type: {set_command(key, True)}",
            )
        ]
    if found.terminating:
        wait = kubectl(settings, "wait --for=delete", f"namespace/{name} --timeout=10m")
        return [error(_KEY, f"is {name}, which is being deleted. Type: {wait}")]
    if settings.cluster.create_namespace and not found.ours and not facts.live.get(False):
        return [
            warning(
                key,
                f"is true, but the namespace {name} exists already and was not made by rayline; "
                f"what rayline creates it also deletes. Type: {set_command(key, False)}",
            )
        ]
    return []


@cluster_rule
def pod_security_admits_the_pods(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """The Pod Security level that the namespace enforces admits all pods. `up` replaces the level
    of a namespace to which the stack gives one."""
    found = facts.namespace.value
    level = found.labels.get(ENFORCE, "privileged") if found else "privileged"
    if platform.enforced_level(settings) is not None:
        return []
    problems = []
    fixing = key_path("storage", "fixPermissions")
    for each in workloads(settings):
        refused = violations({"spec": each.spec}, level)
        if not refused:
            continue
        if each.temporary and settings.storage.fix_permissions:
            problems.append(
                error(
                    fixing,
                    f"is true, but the namespace enforces the Pod Security level {level}, which "
                    f"refuses {each.title} ({listed(refused)}). Type: {set_command(fixing, False)}",
                )
            )
            break
        if each.temporary and problems:
            break
        label = kubectl(settings, f"label --overwrite namespace {settings.cluster.namespace}")
        problems.append(
            error(
                key_path(*each.location),
                f"makes pods that the namespace refuses: it enforces the Pod Security level "
                f"{level}, and {each.title} has {listed(refused)}. "
                f"Type: {label} {ENFORCE}=privileged",
            )
        )
    return problems


@cluster_rule
def network_policies_let_the_pods_talk(
    settings: StackSettings, facts: ClusterFacts
) -> list[Problem]:
    """Head and workers reach each other: no network policy closes the whole namespace while none
    opens it. A warning, because the effect depends on the cluster's network."""
    closed, opened = facts.closed_by.value, facts.opened_by.value
    if not closed or opened:
        return []
    return [
        warning(
            _KEY,
            f"is {settings.cluster.namespace}, where the network policy {listed(closed)} refuses "
            "every connection to pods and no other policy allows any: head, workers and operator "
            "could not reach each other. Allow traffic inside the namespace and from "
            f"{settings.operator.namespace}. Type: "
            f"{kubectl(settings, 'describe networkpolicy', *closed)}",
        )
    ]
