"""The KubeRay operator that runs, or should run."""

from infra.cluster_check.facts import ClusterFacts, Operator
from infra.cluster_check.registry import certain, cluster_rule
from infra.rules.versions import MINIMUM_KUBERAY
from infra.settings import StackSettings
from infra.settings.framework.problems import (
    Problem,
    error,
    key_path,
    listed,
    set_command,
    warning,
)
from infra.specs import operator_chart

_INSTALL, _VERSION = key_path("operator", "install"), key_path("operator", "version")


@cluster_rule
def one_operator_is_responsible(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """With `operator.install` no other operator watches the stack's namespace; without it the
    CRDs are there and an operator runs. An operator that is not visible as a Deployment is only
    missed with a warning."""
    running = facts.operators.value
    home = settings.cluster.namespace
    if settings.operator.install:
        return [
            _second(facts, each)
            for each in running
            if (not each.watches or home in each.watches) and not each.meta.ours
        ]
    wanted = "RayCluster" if settings.serve.delivery == "restApi" else "RayService"
    if wanted not in facts.ray_kinds.value:
        return [
            error(
                _INSTALL,
                f"is false, but the cluster does not serve {wanted} of ray.io/v1: KubeRay's CRDs "
                f"are not installed. Type: {set_command(_INSTALL, True)}",
            )
        ]
    if not running:
        look = "kubectl --context " + facts.context + " get deployments -A"
        return [
            warning(
                _INSTALL,
                "is false, and no Deployment of a KubeRay operator is visible: without one, no pod "
                f"is made. Type: {look}",
            )
        ]
    return []


@cluster_rule
def a_confined_operator_leaves_no_cluster(
    settings: StackSettings, facts: ClusterFacts
) -> list[Problem]:
    """Where the stack's operator watches some namespaces only, no RayCluster elsewhere has to rely
    on it: KubeRay would no longer replace its pods."""
    watched = operator_chart.watched(settings)
    running = facts.operators.value
    everywhere = [each for each in running if each.meta.ours and not each.watches]
    if not settings.operator.install or not watched or not everywhere:
        return []
    others = {name for each in running if not each.meta.ours for name in each.watches}
    left = [
        f"{each.name} in {each.namespace}"
        for each in facts.ray_clusters.value
        if each.namespace not in {*watched, *others}
    ]
    if not left or any(not each.meta.ours and not each.watches for each in running):
        return []
    key = key_path("operator", "watch")
    return [
        error(
            key,
            f"is {settings.operator.watch}: this `up` would confine the operator to "
            f"{listed(watched)}, but it also serves RayClusters of others ({listed(left)}). "
            f"Type: {set_command(key, 'cluster')}",
        )
    ]


@cluster_rule
def a_foreign_operator_watches_the_namespace(
    settings: StackSettings, facts: ClusterFacts
) -> list[Problem]:
    """Without `operator.install`, the running operator watches all namespaces or the stack's."""
    running = facts.operators.value
    home = settings.cluster.namespace
    if settings.operator.install or not running:
        return []
    if any(not each.watches or home in each.watches for each in running):
        return []
    key = key_path("cluster", "namespace")
    watched = [name for each in running for name in each.watches]
    return [
        certain(facts)(
            key,
            f"is {home}, which the KubeRay operator in {running[0].meta.namespace} does not watch; "
            f"it watches {listed(watched)}. Type: {set_command(key, watched[0])}",
        )
    ]


@cluster_rule
def a_foreign_operator_is_new_enough(settings: StackSettings, facts: ClusterFacts) -> list[Problem]:
    """Without `operator.install`, the running operator is KubeRay 1.6.0 or newer (an error), and
    the version that `operator.version` names, by which other rules judge (a warning)."""
    if settings.operator.install:
        return []
    problems = []
    for each in facts.operators.value:
        if each.version is None:
            continue
        where = f"the KubeRay operator in {each.meta.namespace} is {each.version}"
        if tuple(int(part) for part in each.version.split(".")) < MINIMUM_KUBERAY:
            lowest = ".".join(map(str, MINIMUM_KUBERAY))
            upgrade = (
                f"helm --kube-context {facts.context} upgrade {each.meta.name} "
                f"kuberay-operator --version {settings.operator.version} -n {each.meta.namespace}"
            )
            problems.append(
                error(
                    _INSTALL,
                    f"is false, but {where}; rayline needs {lowest} or newer, the first that takes "
                    f"Ray's token from a Secret. Upgrade it and its CRDs. Type: {upgrade}",
                )
            )
        elif each.version != settings.operator.version:
            problems.append(
                warning(
                    _VERSION,
                    f"is {settings.operator.version}, but {where}. "
                    f"Type: {set_command(_VERSION, each.version)}",
                )
            )
    return problems


def _second(facts: ClusterFacts, operator: Operator) -> Problem:
    version = f" {operator.version}" if operator.version else ""
    return certain(facts)(
        _INSTALL,
        f"is true, but a KubeRay operator{version} runs in {operator.meta.namespace} already "
        f"({operator.meta.name}), and two that watch one namespace conflict. "
        f"Type: {set_command(_INSTALL, False)}",
    )
