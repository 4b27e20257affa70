"""PodRollout, as the plug-in provides it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.call import Call, CallCancelledError
from infra.providers.common.properties import UNKNOWN, Props, differing, only
from infra.providers.common.provider import Checked, Created, Diff, Failure, Live, Provider
from infra.providers.common.ray_cluster import IDENTITY, PLACE
from infra.providers.common.waiting import Waiting
from infra.providers.rollout.cluster import RayClusterPods, template_hashes
from infra.providers.rollout.errors import RolloutError
from infra.providers.rollout.pods import observe
from infra.providers.rollout.reconcile import Rollout
from infra.providers.rollout.resource import OUTPUTS, TYPE
from infra.providers.rollout.rolling import Serving

ID = "pods"
INPUTS = (*PLACE, "groups", "upgrade", "deadline_seconds", "head_service", "token_secret")
UPGRADES = ("recreate", "manual")


class PodRolloutProvider(Provider):
    """Makes the pods of one RayCluster match their templates."""

    type = TYPE
    outputs = OUTPUTS

    def check(self, _olds: Props, news: Props) -> Checked:
        """Whether the inputs are complete and well-formed. Uses no network."""
        inputs = {key: news[key] for key in INPUTS if news.get(key) is not None}
        failures = [Failure(key, "is missing") for key in INPUTS if key not in inputs]
        groups = inputs.get("groups", UNKNOWN)
        if isinstance(groups, dict):
            inputs["groups"] = groups = {name: _given(group) for name, group in groups.items()}
            failures += [
                Failure("groups", f"{name}: give hash and replicas")
                for name, group in groups.items()
                if group is not UNKNOWN and not {"hash", "replicas"} <= set(group)
            ]
        upgrade = inputs.get("upgrade", UNKNOWN)
        if upgrade is not UNKNOWN and upgrade not in UPGRADES:
            failures.append(Failure("upgrade", f"{upgrade!r} is not one of {', '.join(UPGRADES)}"))
        return Checked(inputs, failures)

    def diff(self, _id: str, olds: Props, news: Props) -> Diff:
        """A different deadline is not a change, nor are models that answer meanwhile. Pods that ran
        an old template when last observed, or whose group was gone, are: with `manual`, someone may
        have restarted them since, and the applications with them.
        """
        replaces = differing(olds, news, IDENTITY)
        changed = bool(differing(olds, news, ("context", "upgrade")))
        changed |= _pods(olds.get("groups")) != _pods(news.get("groups"))
        changed |= bool(olds.get("outdated")) or _drifted(olds, news)
        return Diff(bool(replaces) or changed, replaces)

    def create(self, call: Call, props: Props) -> Created:
        """Leaves pods alone that already match their template."""
        return Created(ID, self._roll(call, props))

    def update(self, call: Call, _id: str, _olds: Props, news: Props) -> Props:
        """The same as create: the running pods decide what is missing."""
        return self._roll(call, news)

    def read(self, call: Call, _id: str, props: Props) -> Live | None:
        """The templates that the pods run. Without a RayCluster the resource is gone; no answer is
        an error."""
        with _cluster(call, props) as cluster:
            try:
                made = template_hashes(cluster.resource())
                pods = cluster.pods()
            except KubeError as error:
                if error.status == 404:
                    return None
                raise
        inputs = only(props, INPUTS)
        return Live({**inputs, **vars(observe(pods, props["groups"], made))}, inputs)

    def _roll(self, call: Call, props: Props) -> Props:
        waiting = Waiting(call.status, call.clock, float(props["deadline_seconds"]))
        with _cluster(call, props) as cluster:
            serving = Serving(cluster.serve(props["head_service"], props["token_secret"]))
            work = Rollout(cluster, props["groups"], props["upgrade"], waiting, serving)
            try:
                work.run()
            except (CallCancelledError, KubeError, RolloutError) as error:
                if not work.pods:
                    raise
                call.fail(error, ID, {**only(props, INPUTS), **vars(work.observed)})
            observed = work.observed
            if observed.outdated:
                call.warn(
                    f"{len(observed.outdated)} Ray pods run an older template, because of "
                    "`upgrade: manual`. When interrupting their requests is acceptable (without "
                    "rayline:ray.faultTolerance, a restart of the head restarts everything), type: "
                    f"{cluster.delete_command(observed.outdated)}, then `pulumi up`, because a new "
                    "head may have lost the applications. After a change of rayline:rayToken do it "
                    "soon: a container that restarts by itself reads the new token, which the "
                    "other pods do not have yet"
                )
            return {**only(props, INPUTS), **vars(observed)}


@contextmanager
def _cluster(call: Call, props: Props) -> Iterator[RayClusterPods]:
    with KubeClient(props["context"], call.run) as kube:
        yield RayClusterPods(kube, props["namespace"], props["cluster"])


def _given(group: Any) -> Any:
    """Without the keys that are None."""
    if not isinstance(group, dict):
        return group
    return {key: value for key, value in group.items() if value is not None}


def _pods(groups: Any) -> Any:
    """What the pods of each group depend on."""
    if not isinstance(groups, dict):
        return groups
    return {
        name: only(group, ("hash", "replicas")) if isinstance(group, dict) else group
        for name, group in groups.items()
    }


def _drifted(olds: Props, news: Props) -> bool:
    groups, observed = news.get("groups"), olds.get("hashes") or {}
    if not isinstance(groups, dict):
        return False
    return any(
        observed.get(name) != group.get("hash")
        for name, group in groups.items()
        if isinstance(group, dict) and group.get("replicas")
    )
