"""PodDisruptionBudgets: what a drain of nodes or an autoscaler may not evict.

KubeRay's RayCluster has no scale subresource, so Kubernetes accepts `minAvailable` as a number only
(https://kubernetes.io/docs/tasks/run-application/configure-pdb/#arbitrary-controllers-and-selectors).
Budgets concern evictions. rayline and KubeRay delete pods, which no budget stops.
"""

from infra.settings import StackSettings
from infra.settings.gpu_groups import GpuGroup
from infra.specs import Spec, names


def disruption_budgets(settings: StackSettings) -> list[Spec]:
    """The budget of the head, where it is not to be evicted, and those of groups that serve a
    second replica."""
    found = []
    if not head_is_evictable(settings):
        head = {names.NODE_TYPE_LABEL: "head"}
        found.append(_budget(settings, f"{settings.ray.name}-head", head, 1))
    for group in settings.gpu_groups:
        if _has_second_replica(settings, group):
            name = f"{settings.ray.name}-{group.name}"
            labels = {names.GROUP_LABEL: group.name}
            found.append(_budget(settings, name, labels, group.workers - 1))
    return found


def head_is_evictable(settings: StackSettings) -> bool:
    """Whether the head may be evicted; by default where Ray's control store outlives it. Otherwise
    all models are loaded again."""
    chosen = settings.ray.head.evictable
    return settings.ray.fault_tolerance.enabled if chosen is None else chosen


def _has_second_replica(settings: StackSettings, group: GpuGroup) -> bool:
    """Whether another worker of the group may go on serving a model while one is away."""
    replicas = [model.replicas for model in settings.models if model.gpu_group == group.name]
    return group.enabled and group.workers > 1 and max(replicas, default=0) > 1


def _budget(settings: StackSettings, name: str, labels: Spec, minimum: int) -> Spec:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": names.metadata(settings, name),
        "spec": {
            "minAvailable": minimum,
            "selector": {"matchLabels": {**names.managed_labels(settings), **labels}},
            # A pod that is not Ready serves nobody, and would keep its node from being drained.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
