"""PodDisruptionBudgets of head and workers."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.specs import Spec


@dataclass(frozen=True, kw_only=True)
class DisruptionBudgetsArgs:
    """`manifests` are the budgets."""

    manifests: Sequence[Spec]


class DisruptionBudgets(pulumi.ComponentResource):
    """The budgets, which a drain of nodes and an autoscaler respect."""

    def __init__(
        self, name: str, args: DisruptionBudgetsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:ray:DisruptionBudgets", name, None, opts)
        for manifest in args.manifests:
            kubernetes.policy.v1.PodDisruptionBudget(
                manifest["metadata"]["name"],
                metadata=manifest["metadata"],
                spec=manifest["spec"],
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
