"""The RayCluster and its pods."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.providers.rollout import PodRollout, PodRolloutArgs
from infra.specs import Spec


@dataclass(frozen=True, kw_only=True)
class RayClusterArgs:
    """`hashes` (of the pod templates in `manifest`), `replicas` (numbers of pods) and `keeps`
    (models that answer while workers are replaced) are by group. `upgrade` is ray.upgrade.
    `ready_seconds`: how long all pods may take to become Ready; `leaving_seconds`: to end."""

    context: str
    manifest: Spec
    hashes: Mapping[str, pulumi.Input[str]]
    replicas: Mapping[str, int]
    keeps: Mapping[str, list[str]]
    head_service: str
    token_secret: str
    upgrade: str
    ready_seconds: int
    leaving_seconds: int


class RayCluster(pulumi.ComponentResource):
    """The custom resource, and the rollout of its pods: KubeRay creates missing pods, and the
    rollout ensures that running pods match the resource."""

    incarnations: pulumi.Output[Mapping[str, list[str]]]
    """The incarnations of each group's pods, once they are Ready."""

    def __init__(
        self, name: str, args: RayClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:ray:RayCluster", name, None, opts)
        metadata = args.manifest["metadata"]
        cluster = kubernetes.apiextensions.CustomResource(
            name,
            api_version=args.manifest["apiVersion"],
            kind=args.manifest["kind"],
            metadata=metadata,
            spec=args.manifest["spec"],
            opts=pulumi.ResourceOptions(
                parent=self,
                # Pulumi waits for the pods, by default for 10 minutes, and streams may last longer.
                custom_timeouts=pulumi.CustomTimeouts(delete=f"{args.leaving_seconds}s"),
            ),
        )
        rollout = PodRollout(
            "pods",
            PodRolloutArgs(
                context=args.context,
                namespace=metadata["namespace"],
                cluster=metadata["name"],
                groups={
                    group: {
                        "hash": wanted,
                        "replicas": args.replicas[group],
                        **({"keeps": args.keeps[group]} if args.keeps.get(group) else {}),
                    }
                    for group, wanted in args.hashes.items()
                },
                head_service=args.head_service,
                token_secret=args.token_secret,
                upgrade=args.upgrade,
                deadline_seconds=args.ready_seconds,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[cluster]),
        )
        self.incarnations = rollout.incarnations
        self.register_outputs({})
