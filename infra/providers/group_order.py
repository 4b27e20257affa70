"""GroupOrder: the order of the GPU groups, kept in the state, so that a preview can refuse a change
that would break the cluster.

Groups may only be appended. With a RayService, KubeRay 1.6.2 updates the cluster in place only
where groups were added at the end (rayservice_controller.go: isClusterSpecHashEqual); any other
change starts a second cluster, for which there are no free GPUs. In a RayCluster it only reconciles
groups that the spec lists (raycluster_controller.go: reconcilePods), so the pods of a removed group
keep running unnoticed. A program cannot read its own state, but the engine passes a provider's
`check` the old inputs, in previews too. docs/adr/0013-group-order-in-the-state.md
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from infra.providers.common.call import Call
from infra.providers.common.properties import UNKNOWN, Props, differing
from infra.providers.common.provider import Checked, Created, Diff, Failure, Provider
from infra.providers.common.ray_cluster import IDENTITY, PLACE, RayClusterRef

if TYPE_CHECKING:
    from infra.settings.framework.problems import Problem

TYPE = "rayline:index:GroupOrder"
ID = "group-order"
CLUSTER = (*IDENTITY, "delivery")
"""The inputs that identify the cluster; in a new cluster any order is allowed."""
INPUTS = (*PLACE, "delivery", "removes_disabled", "names", "disabled")


@dataclass(frozen=True, kw_only=True)
class GroupOrderArgs(RayClusterRef):
    """The GPU groups, and the cluster that has them."""

    delivery: str
    """restApi or rayService."""
    removes_disabled: bool
    """Whether this delivery lets a group be removed once it has been disabled."""
    names: Sequence[str]
    """Names of all GPU groups, in the order of the configuration."""
    disabled: Sequence[str]
    """Names of those with `enabled: false`."""


class GroupOrder(pulumi.CustomResource):
    """Creates nothing. All other resources depend on it, so that a refused list changes nothing."""

    def __init__(
        self, name: str, args: GroupOrderArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(TYPE, name, dict(vars(args)), opts)


class GroupOrderProvider(Provider):
    """Refuses a list that does not continue the list in the state."""

    type = TYPE

    def check(self, olds: Props, news: Props) -> Checked:
        """Compares the list with the one in the state, in previews too."""
        failures = [Failure("names", str(problem)) for problem in _problems(olds, news)]
        return Checked(news, failures)

    def diff(self, _id: str, olds: Props, news: Props) -> Diff:
        return Diff(bool(differing(olds, news, INPUTS)))

    def create(self, _call: Call, props: Props) -> Created:
        return Created(ID, props)

    def update(self, _call: Call, _id: str, _olds: Props, news: Props) -> Props:
        return news


def _problems(olds: Props, news: Props) -> "list[Problem]":
    if not olds or differing(olds, news, CLUSTER):
        return []
    if UNKNOWN in (news["names"], news["disabled"]) or olds["names"] == news["names"]:
        return []
    return problems(
        before=olds["names"],
        disabled_before=olds["disabled"],
        now=news["names"],
        removes_disabled=bool(news["removes_disabled"]),
    )


def problems(
    *,
    before: Sequence[str],
    disabled_before: Collection[str],
    now: Sequence[str],
    removes_disabled: bool,
) -> "list[Problem]":
    """Problems of the group names `now`, in a cluster that has the groups `before`."""
    # Imported here because it imports pydantic, which would cost every preview 0.15 s.
    from infra.settings.framework.problems import error, key_path, listed, set_command

    key = key_path("gpuGroups")
    found = []
    for name in (name for name in before if name not in now):
        if name in disabled_before and removes_disabled:
            continue
        way = f"Put it back as number {before.index(name) + 1} with `enabled: false`"
        if removes_disabled:
            way += ", run `pulumi up`, then remove it"
        found.append(error(key, f"lacks {name!r}, whose pods KubeRay would leave behind. {way}."))
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
