"""Groups are only ever appended.

With a RayService, KubeRay 1.6.2 updates the cluster in place only where groups were added at the
end (rayservice_controller.go: isClusterSpecHashEqual); anything else starts a second cluster on
GPUs that are not there. In a RayCluster it looks after the groups that it finds
(raycluster_controller.go: reconcilePods), so pods of a group that is gone run on unseen.

What the groups were is in the state, which only a provider is shown: `infra.providers.group_order`
asks.
"""

from collections.abc import Collection, Sequence

from infra.settings.problems import Problem, error, key_path, listed, set_command


def problems(
    *, before: Sequence[str], disabled_before: Collection[str], now: Sequence[str], delivery: str
) -> list[Problem]:
    """What is wrong with the groups `now`, by name, in a cluster that has those of `before`."""
    key = key_path("gpuGroups")
    found = []
    for name in (name for name in before if name not in now):
        if name in disabled_before and delivery == "restApi":
            continue
        way = f"Put it back as number {before.index(name) + 1} with `enabled: false`"
        if delivery == "restApi":
            way += ", run `pulumi up`, then remove it"
        found.append(error(key, f"lacks {name!r}, whose pods KubeRay would leave behind. {way}."))
    kept = [name for name in before if name in now]
    if list(now[: len(kept)]) != kept:
        added = [name for name in now if name not in before]
        found.append(
            error(
                key,
                f"is {listed(now)}; it was {listed(before)}. Groups keep their order and new ones "
                f"go to the end, or KubeRay rebuilds the cluster: {listed([*kept, *added])}. "
                f"Type: {set_command(key_path('gpuGroups', len(kept)), '<the new group>')}",
            )
        )
    return found
