"""The RayCluster and its pods."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.providers.rollout import PodRollout, PodRolloutArgs
from infra.settings import StackSettings
from infra.specs import names
from infra.specs.ray_cluster import ray_cluster, template_hashes


def hashes_of(
    settings: StackSettings, image: pulumi.Input[str]
) -> Mapping[str, pulumi.Output[str]]:
    """Template hash of the head and of each group, as soon as the image's digest is known."""
    known = pulumi.Output.from_input(image).apply(lambda ref: template_hashes(settings, ref))
    groups = [names.HEAD, *(group.name for group in settings.gpu_groups)]
    return {group: known[group] for group in groups}


class ServiceAccount(pulumi.ComponentResource):
    """The account of Ray pods and download Jobs. It has no rights: none calls Kubernetes."""

    def __init__(
        self, name: str, settings: StackSettings, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:ray:ServiceAccount", name, None, opts)
        kubernetes.core.v1.ServiceAccount(
            name,
            metadata={
                "name": names.service_account(settings),
                "namespace": settings.cluster.namespace,
                "labels": names.managed_labels(settings),
            },
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True)
class RayClusterArgs:
    settings: StackSettings
    image: pulumi.Input[str]
    hashes: Mapping[str, pulumi.Input[str]]


class RayCluster(pulumi.ComponentResource):
    """The custom resource, and its pods brought to it. KubeRay makes pods that are missing; that
    pods run what the resource now says is the rollout's work.
    """

    incarnations: pulumi.Output[Mapping[str, list[str]]]
    """Which pods each group has, when they are Ready."""

    def __init__(
        self, name: str, args: RayClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:ray:RayCluster", name, None, opts)
        settings = args.settings
        manifest = ray_cluster(settings, args.image, args.hashes)
        cluster = kubernetes.apiextensions.CustomResource(
            name,
            api_version=manifest["apiVersion"],
            kind=manifest["kind"],
            metadata=manifest["metadata"],
            spec=manifest["spec"],
            opts=pulumi.ResourceOptions(parent=self),
        )
        rollout = PodRollout(
            "pods",
            PodRolloutArgs(
                context=settings.cluster.context,
                namespace=settings.cluster.namespace,
                cluster=settings.ray.name,
                groups={
                    group: {"hash": wanted, "replicas": replicas(settings, group)}
                    for group, wanted in args.hashes.items()
                },
                upgrade=settings.ray.upgrade,
                deadline_seconds=settings.timeouts.pods_ready_seconds,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[cluster]),
        )
        self.incarnations = rollout.incarnations
        self.register_outputs({})


def replicas(settings: StackSettings, group: str) -> int:
    """Pods that are wanted of a group; a disabled one has none."""
    if group == names.HEAD:
        return 1
    found = settings.group(group)
    return found.workers if found.enabled else 0
