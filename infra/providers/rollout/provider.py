"""The dynamic provider of PodRollout.

Pulumi stores it by reference: this module must import in another process without side effects, and
the class holds nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.runtime.rpc import UNKNOWN

from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.clock import SystemClock
from infra.providers.common.engine import EngineCall
from infra.providers.common.progress import Progress
from infra.providers.rollout.cluster import RayClusterPods
from infra.providers.rollout.errors import RolloutError
from infra.providers.rollout.pods import observe
from infra.providers.rollout.reconcile import Rollout

Props = dict[str, Any]
ID = "pods"
IDENTITY = ("context", "namespace", "cluster")
INPUTS = (*IDENTITY, "groups", "upgrade", "deadline_seconds")
UPGRADES = ("recreate", "manual")


class PodRolloutProvider(ResourceProvider):
    """Brings the pods of one RayCluster to their templates."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Complete and well-formed; no network."""
        inputs = {key: news[key] for key in INPUTS if news.get(key) is not None}
        failures = [CheckFailure(key, "is missing") for key in INPUTS if key not in inputs]
        groups = inputs.get("groups", UNKNOWN)
        if groups != UNKNOWN:
            inputs["groups"] = groups = {
                name: group if group == UNKNOWN else _group(group) for name, group in groups.items()
            }
            failures += [
                CheckFailure("groups", f"{name}: give hash and replicas")
                for name, group in groups.items()
                if group != UNKNOWN and not {"hash", "replicas"} <= set(group)
            ]
        if inputs.get("upgrade", UNKNOWN) not in (*UPGRADES, UNKNOWN):
            failures.append(
                CheckFailure(
                    "upgrade", f"{inputs['upgrade']!r} is neither of {', '.join(UPGRADES)}"
                )
            )
        return CheckResult(inputs, failures)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Another deadline is no change. Pods that were last seen with another template are one:
        with `manual`, someone may have restarted them since, and the applications with them."""
        replaces = [key for key in IDENTITY if olds.get(key) != news.get(key)]
        changed = any(olds.get(key) != news.get(key) for key in ("groups", "upgrade"))
        return DiffResult(
            changes=bool(replaces) or changed or _drifted(olds, news),
            replaces=replaces,
            delete_before_replace=False,
        )

    def create(self, props: Props) -> CreateResult:
        """Pods that are as wanted are left alone."""
        return CreateResult(ID, self._roll(props))

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        """The same as create: what is running decides, not what was."""
        return UpdateResult(self._roll(news))

    def read(self, id_: str, props: Props) -> ReadResult:
        """What the pods run. No RayCluster: the resource is gone; no answer: an error."""
        with EngineCall(KubeError), _cluster(props) as cluster:
            try:
                cluster.resource()
                pods = cluster.pods()
            except KubeError as error:
                if error.status == 404:
                    return ReadResult(id_="", outs={})
                raise
        seen = observe(pods, props["groups"])
        return ReadResult(id_, {**_inputs(props), **vars(seen)}, _inputs(props))

    def delete(self, _id: str, _props: Props) -> None:
        """Nothing: pods go with their RayCluster."""

    def _roll(self, props: Props) -> Props:
        clock = SystemClock()
        with EngineCall(KubeError, RolloutError) as call, _cluster(props) as cluster:
            work = Rollout(
                cluster,
                props["groups"],
                props["upgrade"],
                Progress(call.status, clock, float(props["deadline_seconds"])),
                clock,
            )
            try:
                work.run()
            except (KubeError, RolloutError) as error:
                if not work.pods:
                    raise
                call.fail(error, ID, {**_inputs(props), **vars(work.observed)})
            seen = work.observed
            if seen.outdated:
                call.warn(
                    f"{len(seen.outdated)} Ray pods run an older template, because of `upgrade: "
                    "manual`. When it suits you (requests on them end; with the head everything "
                    f"restarts): {cluster.delete_command(seen.outdated)}, then `pulumi up`: a new "
                    "head knows no applications"
                )
            return {**_inputs(props), **vars(seen)}


@contextmanager
def _cluster(props: Props) -> Iterator[RayClusterPods]:
    with KubeClient(props["context"]) as kube:
        yield RayClusterPods(kube, props["namespace"], props["cluster"])


def _inputs(props: Props) -> Props:
    return {key: props[key] for key in INPUTS if key in props}


def _group(group: Any) -> Props:
    """One spelling: Pulumi's state knows floats only, and None is left out."""
    found = {key: value for key, value in dict(group).items() if value is not None}
    if isinstance(found.get("replicas"), float):
        found["replicas"] = int(found["replicas"])
    return found


def _drifted(olds: Props, news: Props) -> bool:
    groups, seen = news.get("groups"), olds.get("hashes") or {}
    if not isinstance(groups, dict):
        return False
    return any(
        seen.get(name) != group.get("hash")
        for name, group in groups.items()
        if isinstance(group, dict) and group.get("replicas")
    )
