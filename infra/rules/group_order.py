"""Groups are only ever appended.

With a RayService, KubeRay 1.6.2 updates the cluster in place only where groups were added at the
end (rayservice_controller.go: isClusterSpecHashEqual); anything else starts a second cluster on
GPUs that are not there. In a RayCluster it looks after the groups that it finds
(raycluster_controller.go: reconcilePods), so pods of a group that is gone run on unseen.
"""

from infra.rules.facts import Facts
from infra.settings import StackSettings
from infra.settings.problems import Problem, error, key_path, listed, set_command


def check(settings: StackSettings, facts: Facts) -> list[Problem]:
    if facts.previous_groups is None:
        return []
    key = key_path("gpuGroups")
    before = list(facts.previous_groups)
    now = [group.name for group in settings.gpu_groups]
    found = []
    for name in (name for name in before if name not in now):
        if name in facts.previous_disabled and settings.serve.delivery == "restApi":
            continue
        way = (
            "Keep it and set its enabled to false"
            if settings.serve.delivery == "rayService"
            else "First set its enabled to false and run `pulumi up`, then remove it"
        )
        found.append(error(key, f"lacks {name!r}, whose pods KubeRay would leave behind. {way}."))
    kept = [name for name in before if name in now]
    if now[: len(kept)] != kept:
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
