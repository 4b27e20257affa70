"""The resource of `infra.worker_groups.provider`."""

import pulumi
from pulumi.dynamic import Resource

from infra.settings import StackSettings
from infra.worker_groups.provider import WorkerGroupsProvider


class WorkerGroups(Resource, module="rayline", name="WorkerGroups"):
    """Everything that makes pods depends on it: a refused list changes nothing."""

    def __init__(
        self, name: str, settings: StackSettings, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        props = {
            "names": [group.name for group in settings.gpu_groups],
            "disabled": [group.name for group in settings.gpu_groups if not group.enabled],
            "delivery": settings.serve.delivery,
        }
        super().__init__(WorkerGroupsProvider(), name, props, opts)
