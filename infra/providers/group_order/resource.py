"""The resource of `infra.providers.group_order.provider`."""

import pulumi
from pulumi.dynamic import Resource

from infra.providers.group_order.provider import WorkerGroupsProvider
from infra.settings import StackSettings


class WorkerGroups(Resource, module="rayline", name="WorkerGroups"):
    """All else depends on it, so that a refused list changes nothing."""

    def __init__(
        self, name: str, settings: StackSettings, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(WorkerGroupsProvider(), name, remembered(settings), opts)


def remembered(settings: StackSettings) -> dict[str, str | list[str]]:
    """The provider's inputs."""
    return {
        "context": settings.cluster.context,
        "namespace": settings.cluster.namespace,
        "cluster": settings.ray.name,
        "delivery": settings.serve.delivery,
        "names": [group.name for group in settings.gpu_groups],
        "disabled": [group.name for group in settings.gpu_groups if not group.enabled],
    }
