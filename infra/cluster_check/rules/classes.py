"""Runtime classes, priority classes and ingress classes."""

from infra.cluster_check.facts import ClusterFacts
from infra.cluster_check.registry import certain, cluster_rule, kubectl
from infra.cluster_check.workloads import workloads
from infra.settings import StackSettings
from infra.settings.framework.problems import (
    Problem,
    closest,
    key_path,
    listed,
    remove_command,
    set_command,
    warning,
)

NVIDIA = "nvidia"
"""Name of the runtime class that NVIDIA's operator and k3s make."""
LEGACY_INGRESS_CLASS = "kubernetes.io/ingress.class"


@cluster_rule
def runtime_classes_exist(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """The cluster has the runtime classes of the pods: it refuses pods of an unknown one."""
    return _missing(
        settings, facts, "runtimeClassName", [each.name for each in facts.runtime_classes.value]
    )


@cluster_rule
def priority_classes_exist(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """The cluster has the priority classes of the pods: it refuses pods of an unknown one."""
    if not any(each.spec.get("priorityClassName") for each in workloads(settings)):
        return []
    return _missing(settings, facts, "priorityClassName", list(facts.priority_classes.value))


def _missing(
    settings: StackSettings, facts: ClusterFacts, field: str, known: list[str]
) -> list[Problem]:
    problems: dict[str, Problem] = {}
    for each in workloads(settings):
        name, key = each.spec.get(field), key_path(*each.location, field)
        if name and name not in known and key not in problems:
            meant = closest(name, known)
            command = set_command(key, meant) if meant else remove_command(key)
            problems[key] = certain(facts)(
                key,
                f"is {name!r}, which the cluster does not have; it has {listed(known)}. "
                f"Type: {command}",
            )
    return list(problems.values())


@cluster_rule
def cards_are_visible_to_containers(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """Where the cluster has the runtime class `nvidia`, GPU groups use it. A warning: the nodes'
    default runtime may be NVIDIA's too, which the API does not show."""
    known = [each.name for each in facts.runtime_classes.value]
    if NVIDIA not in known or facts.live.get(False):
        return []
    return [
        warning(
            key := key_path(*each.location, "runtimeClassName"),
            f"is not set, but the cluster has the runtime class {NVIDIA}: unless NVIDIA's runtime "
            f"is the default of the nodes, {each.title} does not see its cards. "
            f"Type: {set_command(key, NVIDIA)}",
        )
        for each in workloads(settings)
        if each.resource and not each.spec.get("runtimeClassName")
    ]


@cluster_rule
def the_ingress_class_exists(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """With `serve.ingress`, the ingress class exists, or the cluster has a default one. A warning:
    `up` succeeds, but nothing answers outside the cluster."""
    ingress = settings.serve.ingress
    if ingress is None or LEGACY_INGRESS_CLASS in ingress.annotations:
        return []
    classes = facts.ingress_classes.value
    known, key = [each.name for each in classes], key_path("serve", "ingress", "className")
    if ingress.class_name in known:
        return []
    if ingress.class_name is None:
        if any(each.default for each in classes):
            return []
        given = "is not set, and the cluster has no default ingress class"
    else:
        given = f"is {ingress.class_name!r}, which the cluster does not have"
    meant = closest(ingress.class_name or "", known) or next(iter(known), None)
    remedy = (
        f"Type: {set_command(key, meant)}"
        if meant
        else f"Install an ingress controller. Type: {kubectl(settings, 'get ingressclasses')}"
    )
    return [warning(key, f"{given}; it has {listed(known)}. {remedy}")]
