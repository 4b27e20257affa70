"""GroupOrder: the order of the GPU groups of a RayService, kept in the state, so that a preview can
refuse a change that would rebuild the cluster.

With a RayService, KubeRay 1.6.2 updates the cluster in place only where groups were added at the
end (rayservice_controller.go: isClusterSpecHashEqual); any other change starts a second cluster,
for which there are no free GPUs. In a RayCluster it goes by the groups' names, and rayline's
rollout removes the pods of groups that are gone, so that there any change is allowed.

A program cannot read its own state, but the engine passes a provider's `check` the old inputs, in
previews too. These are only true where the RayService was changed: so one resource after it
remembers what was applied, and one before everything else compares with the live object.
docs/adr/0013-group-order-in-the-state.md
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.call import Call, ProviderError
from infra.providers.common.properties import UNKNOWN, Props, differing, only
from infra.providers.common.provider import Checked, Created, Diff, Failure, Provider
from infra.providers.common.ray_cluster import IDENTITY, PLACE, RayClusterRef

if TYPE_CHECKING:
    from infra.settings.framework.problems import Problem

TYPE = "rayline:index:GroupOrder"
ID = "group-order"
ORDERED = "rayService"
"""The delivery whose groups have an order."""
CLUSTER = (*IDENTITY, "delivery")
"""The inputs that identify the cluster; in a new cluster any order is allowed."""
INPUTS = (*PLACE, "delivery", "names", "applied")


class GroupOrderError(ProviderError):
    """The live RayService has groups that the list does not continue."""


@dataclass(frozen=True, kw_only=True)
class GroupOrderArgs(RayClusterRef):
    """The GPU groups, and the cluster that has them."""

    delivery: str
    """restApi or rayService."""
    names: pulumi.Input[Sequence[str]]
    """Names of all GPU groups, in the order of the configuration."""
    applied: bool
    """Whether the RayService has these groups once this resource is created or updated. False: it
    comes before everything else, and compares with the live RayService."""


class GroupOrder(pulumi.CustomResource):
    """Creates nothing. All other resources depend on the one that compares, so that a refused list
    changes nothing."""

    def __init__(
        self, name: str, args: GroupOrderArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(TYPE, name, dict(vars(args)), opts)


class GroupOrderProvider(Provider):
    """Refuses a list that does not continue the list of the RayService."""

    type = TYPE

    def check(self, olds: Props, news: Props) -> Checked:
        """Compares the list with the applied one, in previews too."""
        failures = [Failure("names", str(problem)) for problem in _problems(olds, news)]
        return Checked(news, failures)

    def diff(self, _id: str, olds: Props, news: Props) -> Diff:
        # A state of rayline 0.1.0 has no `applied`, which alone is not worth an update.
        olds = {"applied": news.get("applied"), **olds}
        return Diff(bool(differing(olds, news, INPUTS)))

    def create(self, call: Call, props: Props) -> Created:
        return Created(ID, _stored(call, props))

    def update(self, call: Call, _id: str, _olds: Props, news: Props) -> Props:
        return _stored(call, news)


def _stored(call: Call, news: Props) -> Props:
    """The outputs. GroupOrderError if the live RayService has another order, or is gone after it
    should have been applied."""
    if news["delivery"] == ORDERED:
        with KubeClient(news["context"], call.run) as kube:
            live = _ray_service(kube, news["namespace"], news["cluster"])
        if news["applied"]:
            _refuse_absent(live, news)
        elif found := problems(before=live_groups(live), now=news["names"]):
            raise GroupOrderError(" ".join(str(problem) for problem in found))
    return only(news, INPUTS)


def _refuse_absent(live: Mapping[str, Any], news: Props) -> None:
    """A removal that was killed leaves the RayService in the state, where Pulumi takes it for
    unchanged."""
    if not live or live["metadata"].get("deletionTimestamp"):
        raise GroupOrderError(
            f"the RayService {news['cluster']} is gone or being deleted although the state has "
            "it, for example because a removal was interrupted. Type: pulumi up --refresh"
        )


def _ray_service(kube: KubeClient, namespace: str, name: str) -> dict[str, Any]:
    """Empty if there is no RayService."""
    try:
        return kube.get(f"/apis/ray.io/v1/namespaces/{namespace}/rayservices/{name}")
    except KubeError as error:
        if error.status == 404:
            return {}
        raise


def live_groups(ray_service: Mapping[str, Any]) -> list[str]:
    """The worker groups of a RayService in their order; empty if there is no RayService."""
    spec = (ray_service.get("spec") or {}).get("rayClusterConfig") or {}
    return [group["groupName"] for group in spec.get("workerGroupSpecs") or []]


def _problems(olds: Props, news: Props) -> "list[Problem]":
    if not (olds and news["applied"]) or differing(olds, news, CLUSTER):
        return []
    if news["names"] is UNKNOWN or news["delivery"] != ORDERED:
        return []
    return problems(before=olds["names"], now=news["names"])


def problems(*, before: Sequence[str], now: Sequence[str]) -> "list[Problem]":
    """Problems of the group names `now`, in a RayService that has the groups `before`."""
    # Imported here because it imports pydantic, which would cost every preview 0.15 s.
    from infra.settings.framework.problems import error, key_path, listed, set_command

    key = key_path("gpuGroups")
    found = [
        error(
            key,
            f"lacks {name!r}, without which KubeRay rebuilds the cluster of a RayService. Put it "
            f"back as number {before.index(name) + 1} with `enabled: false`.",
        )
        for name in before
        if name not in now
    ]
    kept = [name for name in before if name in now]
    if list(now[: len(kept)]) != kept:
        added = [name for name in now if name not in before]
        found.append(
            error(
                key,
                f"is {listed(now)}; it was {listed(before)}. It must become "
                f"{listed([*kept, *added])}: KubeRay rebuilds the cluster unless new groups are "
                "appended and the others keep their order. "
                f"Type: {set_command(key_path('gpuGroups', len(kept)), '<the new group>')}",
            )
        )
    return found
