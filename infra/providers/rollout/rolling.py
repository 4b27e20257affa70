"""Which worker may be replaced while its models keep answering.

A model with a second replica answers throughout if one worker is replaced after another, and the
next one only when the replica of the last one runs again. Without Ray's answer nobody knows that.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.providers.applications.client import ServeClient, ServeError
from infra.providers.applications.seen import (
    DEPLOY_FAILED,
    RUNNING,
    UNHEALTHY,
    Seen,
    cause,
    messages,
)
from infra.providers.common.waiting import Waiting
from infra.providers.rollout.cluster import RayClusterPods
from infra.providers.rollout.errors import RolloutFailedError
from infra.providers.rollout.pods import Pod

PATIENT_SECONDS = 1200.0
"""How long the next worker waits until every replica runs; then one other replica is enough."""
FAILURE_SECONDS = 180.0
"""How long a model may be unhealthy during a rollout before that counts as a failure. Serve starts
a replica several times, and one that was stopped may be counted as unhealthy at first."""


@dataclass(frozen=True)
class Replicas:
    """The replicas of one model."""

    addresses: tuple[str, ...]
    """Of the pods in which one is RUNNING, once per replica."""
    wanted: int
    failure: str
    """Why Serve calls the model unhealthy; empty if it does not."""


class Serving:
    """The replicas of all models, as Ray reports them."""

    def __init__(self, client: ServeClient, seconds: float = 10.0) -> None:
        self._client = client
        client.timeout = seconds

    def replicas(self) -> Mapping[str, Replicas] | str:
        """By model; or the reason why nobody knows, such as a head that is starting."""
        try:
            seen = Seen(self._client.get(), {})
        except ServeError as error:
            return str(error)
        return {name: _replicas(app) for name, app in seen.live.items()}


def _replicas(app: Mapping[str, Any]) -> Replicas:
    deployments = (app.get("deployments") or {}).values()
    return Replicas(
        tuple(
            str(replica.get("node_ip", ""))
            for deployment in deployments
            for replica in deployment.get("replicas") or []
            if replica.get("state") == RUNNING
        ),
        sum(int(deployment.get("target_num_replicas") or 0) for deployment in deployments),
        (cause(messages(app)) or str(app["status"]))
        if app.get("status") in (UNHEALTHY, DEPLOY_FAILED)
        else "",
    )


def replaceable(
    old: Sequence[Pod],
    present: Collection[Pod],
    replicas: Mapping[str, Replicas],
    models: Collection[str],
    *,
    patient: bool = True,
) -> Pod | None:
    """The first of the outdated pods without which each of `models` still answers; None if there is
    none now. Only replicas in the pods `present` count, because Ray may not know yet that another
    is gone. While `patient`, all other replicas have to run, so that one at most is missing; then
    one other is enough. A model of which no replica runs loses nothing."""
    there = {pod.address for pod in present}
    known = [replicas[model] for model in models if model in replicas]
    alive = [[a for a in found.addresses if a in there] for found in known]

    def keeps_answering(pod: Pod) -> bool:
        for found, addresses in zip(known, alive, strict=True):
            others = sum(address != pod.address for address in addresses)
            here = len(addresses) - others
            if here and others < (max(found.wanted - here, 1) if patient else 1):
                return False
        return True

    # First those without a replica: what is missing may be waiting for such a place.
    ordered = sorted(old, key=lambda pod: any(pod.address in addresses for addresses in alive))
    return next(filter(keeps_answering, ordered), None)


class Rolling:
    """Replaces the workers of a group one after another."""

    def __init__(self, serving: Serving, waiting: Waiting, cluster: RayClusterPods) -> None:
        self._serving, self._waiting, self._cluster = serving, waiting, cluster
        self.held = ""
        """What the next worker waits for, for the user."""

    def next(
        self, group: str, models: Sequence[str], old: Sequence[Pod], present: Collection[Pod]
    ) -> list[Pod]:
        """The worker that may be deleted now, if there is one. All pods of the group are `present`
        and run. RolloutFailedError if a model does not run in the new ones."""
        self.held = ""
        replicas = self._serving.replicas()
        if isinstance(replicas, str):
            self.held = f"nobody knows which replicas run: {replicas[:200]}"
            return []
        known = {model: replicas[model] for model in models if model in replicas}
        self._raise_failure(known)
        waits = self._waiting.lasts(f"replicas of {group}", True)
        found = replaceable(old, present, known, models, patient=waits < PATIENT_SECONDS)
        if found is None:
            counts = (f"{m} {len(r.addresses)} of {r.wanted}" for m, r in known.items())
            self.held = f"the next worker waits for replicas: {', '.join(counts)}"
            return []
        self._waiting.lasts(f"replicas of {group}", False)
        return [found]

    def _raise_failure(self, models: Mapping[str, Replicas]) -> None:
        """All pods are there, so what fails now fails because of the new ones."""
        for model, found in models.items():
            lasts = self._waiting.lasts(f"failing {model}", bool(found.failure))
            if lasts >= FAILURE_SECONDS:
                logs = self._cluster.command("logs -l ray.io/node-type=worker --tail=50")
                raise RolloutFailedError(
                    f"{model} does not run in the worker that was replaced: {found.failure}. "
                    f"{len(found.addresses)} of {found.wanted} replicas answer, from workers that "
                    f"were not replaced. Look at {logs}, and correct it, or take the change back; "
                    "the next `pulumi up` continues"
                )
