"""How the Ray cluster and the Serve applications get into Kubernetes: `serve.delivery`.

Everything that differs between the deliveries is one object here. A new delivery is a value of
`serve.delivery` (infra/settings/serve.py), a class and an entry of DELIVERIES here, and its test.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pulumi

from infra.components.ray_cluster import RayCluster, RayClusterArgs
from infra.components.ray_service import RayService, RayServiceArgs
from infra.components.serving import Applications, ApplicationsArgs
from infra.components.wanted import WantedApplications, WantedApplicationsArgs
from infra.providers.group_order import GroupOrder, GroupOrderArgs
from infra.settings import StackSettings
from infra.specs import names, restore
from infra.specs.pod_templates import PodTemplates
from infra.specs.ray_cluster import kept_models, ray_cluster, replicas, rollout_seconds
from infra.specs.ray_service import ray_service
from infra.specs.serve_config import serve_config


@dataclass(frozen=True, kw_only=True)
class Prerequisites:
    """Resources declared earlier: everything that pods need, and the downloads. `after` returns
    options that make a resource wait for others. `groups` are the arguments of GroupOrder."""

    pods: Sequence[pulumi.Resource]
    downloads: Sequence[pulumi.Resource]
    after: Callable[..., pulumi.ResourceOptions]
    groups: GroupOrderArgs


class Delivery(ABC):
    """One value of `serve.delivery`."""

    @abstractmethod
    def deploy(
        self, settings: StackSettings, templates: PodTemplates, needed: Prerequisites
    ) -> pulumi.Input[Mapping[str, Any]]:
        """Declares cluster and applications; returns the stack output `models`."""


class RestApi(Delivery):
    """A RayCluster, whose applications rayline posts to Serve's REST API.

    Pods start while weights are being downloaded; only the applications wait for both.
    """

    def deploy(
        self, settings: StackSettings, templates: PodTemplates, needed: Prerequisites
    ) -> pulumi.Input[Mapping[str, Any]]:
        hashes = templates.hashes
        ray = RayCluster(
            "ray-cluster",
            RayClusterArgs(
                context=settings.cluster.context,
                manifest=ray_cluster(settings, templates),
                hashes=hashes,
                replicas=replicas(settings),
                keeps=kept_models(settings),
                head_service=names.head_service(settings),
                token_secret=names.ray_token_secret(settings),
                upgrade=settings.ray.upgrade,
                ready_seconds=rollout_seconds(settings),
                leaving_seconds=templates.leaving_seconds,
            ),
            needed.after(*needed.pods),
        )
        # After the downloads, so that a lost head has its old models back while they last.
        wanted = WantedApplications(
            "wanted-applications",
            WantedApplicationsArgs(manifest=restore.config_map(settings)),
            needed.after(*needed.pods, *needed.downloads),
        )
        used = sorted({names.HEAD, *(model.gpu_group for model in settings.models)})
        restarting = used if settings.ray.upgrade == "recreate" else []
        return Applications(
            "applications",
            ApplicationsArgs(
                **_where_and_what(settings),
                wanted=names.wanted_applications(settings),
                groups=used,
                templates={group: hashes[group] for group in restarting},
                incarnations=ray.incarnations,
                replace_foreign=settings.serve.replace_foreign,
            ),
            needed.after(ray, wanted, *needed.downloads),
        ).status


class RayServiceDelivery(Delivery):
    """One RayService for both. KubeRay posts the applications; `up` waits until Ray, behind the
    Service of the active cluster's head, has and runs them: the conditions of a RayService say
    nothing about a changed model in the same cluster."""

    def deploy(
        self, settings: StackSettings, templates: PodTemplates, needed: Prerequisites
    ) -> pulumi.Input[Mapping[str, Any]]:
        timeouts = settings.timeouts
        service = RayService(
            "ray-service",
            RayServiceArgs(
                manifest=ray_service(settings, templates),
                ready_seconds=timeouts.pods_ready_seconds + timeouts.model_ready_seconds,
                leaving_seconds=templates.leaving_seconds,
            ),
            needed.after(*needed.pods, *needed.downloads),
        )
        order = GroupOrder(
            "applied-groups", replace(needed.groups, applied=True), needed.after(service)
        )
        return Applications(
            "applications",
            ApplicationsArgs(
                **_where_and_what(settings),
                wanted="",
                groups=[],
                templates={},
                incarnations=pulumi.Output.from_input({}),
                sends=False,
            ),
            needed.after(order),
        ).status


def _where_and_what(settings: StackSettings) -> dict[str, Any]:
    """The arguments of `Applications` that do not depend on the delivery."""
    return {
        "context": settings.cluster.context,
        "namespace": settings.cluster.namespace,
        "cluster": settings.ray.name,
        "head_service": names.head_service(settings),
        "token_secret": names.ray_token_secret(settings),
        "config": serve_config(settings),
        "ready_seconds": settings.timeouts.model_ready_seconds,
    }


DELIVERIES: Mapping[str, Delivery] = {"restApi": RestApi(), "rayService": RayServiceDelivery()}
