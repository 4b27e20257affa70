"""Replacing outdated pods, and waiting until all are Ready.

Each turn looks at the pods and does what is missing. Nothing is remembered of what was deleted but
a count, so an interrupted rollout is finished by the next one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.providers.common.api_server import KubeError
from infra.providers.common.clock import Clock
from infra.providers.common.progress import Progress
from infra.providers.rollout.cluster import RayClusterPods, template_hashes
from infra.providers.rollout.errors import RolloutError, RolloutFailedError, RolloutTimeoutError
from infra.providers.rollout.pods import HEAD, Observed, Pod, observe

Groups = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Pace:
    """Patience, in seconds unless it says otherwise."""

    poll: float = 2.0
    trouble: float = 60.0
    """A pod that cannot start for so long is a failure."""
    unschedulable: float = 120.0
    """Longer: an autoscaler may add a node, or a node may be freed by a pod that is leaving."""
    stale: float = 60.0
    """The RayCluster may lack a wanted hash for so long."""
    deletions: int = 5
    """Times that a group's pods may come back from an old template. The operator's cache may be a
    moment behind the RayCluster, and then makes one more pod as it was."""


class Rollout:
    """One change of the pods of one RayCluster."""

    def __init__(
        self,
        cluster: RayClusterPods,
        groups: Groups,
        upgrade: str,
        progress: Progress,
        clock: Clock,
        pace: Pace | None = None,
    ) -> None:
        self._cluster = cluster
        self._groups = groups
        self._recreate = upgrade == "recreate"
        self._progress = progress
        self._clock = clock
        self._pace = pace or Pace()
        self._since: dict[str, float] = {}
        self._deletions: dict[str, int] = {}
        self.pods: list[Pod] = []
        """What was seen last."""

    @property
    def observed(self) -> Observed:
        """What was seen last, by group."""
        return observe(self.pods, self._groups)

    def run(self) -> None:
        """Return when every pod is as wanted. RolloutError or KubeError names the cause."""
        seen = "nothing was seen yet"
        while True:
            if self._progress.remaining <= 0:
                raise RolloutTimeoutError(
                    f"not every Ray pod is Ready after {self._progress.elapsed:.0f} s: {seen}. "
                    f"Look at {self._describe()}. If it only needs longer, raise "
                    "`pulumi config set --path 'rayline:timeouts.podsReadySeconds' ...`"
                )
            try:
                waiting = self._turn()
                if waiting is None:
                    return
                seen = waiting
            except KubeError as error:
                if error.status is not None and error.status < 500 and error.status != 429:
                    raise self._absent(error) from error
                seen = str(error)
            self._progress.state(seen)
            self._clock.sleep(self._pace.poll)

    def _turn(self) -> str | None:
        """Look, delete what has to go, and say what is waited for; None: nothing."""
        resource = self._cluster.resource()
        self.pods = self._cluster.pods()
        unfinished = [name for name in self._groups if not self._finished(name)]
        if not unfinished:
            return None
        refusal = self._cluster.refusal(resource)
        if refusal:
            raise RolloutFailedError(
                f"KubeRay refuses the RayCluster {self._cluster.cluster}: {refusal}. "
                "Correct rayline:ray or rayline:gpuGroups"
            )
        made = template_hashes(resource)
        behind = [n for n, group in self._groups.items() if made.get(n) != group["hash"]]
        if self._lasts("behind", bool(behind)) > self._pace.stale:
            raise RolloutError(
                f"the templates of {', '.join(behind)} in the RayCluster {self._cluster.cluster} "
                "are not the wanted ones: something else changes it. "
                f"{self._cluster.see(f'get raycluster {self._cluster.cluster} -o yaml')}"
            )
        if not behind:
            self._replace(unfinished)
        self._raise_troubles()
        return "; ".join(self._line(name) for name in unfinished)

    def _replace(self, unfinished: list[str]) -> None:
        """Delete what is outdated: everything with the head, else one group at a time."""
        if self._recreate and self._old(HEAD):
            # Without fault tolerance of the GCS, workers of a lost head stop, each at its own time,
            # and their containers restart with a growing delay. New pods are quicker and cleaner.
            self._delete(HEAD, [pod for pod in self.pods if not pod.deleting])
            return
        for name in unfinished:
            if name != HEAD and self._recreate:
                if old := self._old(name):
                    self._delete(name, old)
                return

    def _delete(self, group: str, pods: list[Pod]) -> None:
        self._deletions[group] = self._deletions.get(group, 0) + 1
        if self._deletions[group] > self._pace.deletions:
            raise RolloutError(
                f"{group}: the operator has made pods of an old template {self._pace.deletions} "
                "times although the RayCluster has the new one. Restart the operator: `kubectl "
                "rollout restart deployment kuberay-operator` in its namespace"
            )
        for pod in pods:
            self._cluster.delete(pod)

    def _finished(self, name: str) -> bool:
        group = self._groups[name]
        present = self._present(name)
        if len(present) != int(group["replicas"]):
            return False
        current = [pod for pod in present if pod.hash == group["hash"]]
        if self._recreate and len(current) != len(present):
            return False
        return all(pod.ready for pod in current)

    def _raise_troubles(self) -> None:
        leaving = any(pod.deleting for pod in self.pods)
        failed = []
        for pod in self.pods:
            group = self._groups.get(pod.group, {})
            trouble = None if pod.deleting or pod.hash != group.get("hash") else pod.trouble
            patience = self._pace.trouble
            if trouble and trouble.kind == "Unschedulable":
                patience = self._pace.unschedulable
                trouble = None if leaving else trouble
            if self._lasts(f"trouble {pod.name}", trouble is not None) >= patience and trouble:
                failed.append(f"{pod.group}: pod {pod.name}: {trouble.kind}: {trouble.text}")
        if failed:
            raise RolloutFailedError("; ".join(failed) + f". Look at {self._describe()}")

    def _line(self, name: str) -> str:
        group, present = self._groups[name], self._present(name)
        wanted = int(group["replicas"])
        ready = sum(pod.ready and pod.hash == group["hash"] for pod in present)
        parts = [f"{name}: {ready} of {wanted} ready"]
        leaving = sum(pod.deleting and pod.group == name for pod in self.pods)
        slow = next((pod for pod in present if not pod.ready), None)
        if slow is not None:
            parts.append(self._cluster.last_event(slow) or slow.state)
        elif len(present) < wanted:
            parts.append(f"waiting for KubeRay to make {wanted - len(present)}")
        if leaving or len(present) > wanted:
            parts.append(f"{leaving or len(present) - wanted} leaving")
        return ", ".join(parts)

    def _present(self, name: str) -> list[Pod]:
        return [pod for pod in self.pods if pod.group == name and not pod.deleting]

    def _old(self, name: str) -> list[Pod]:
        return [pod for pod in self._present(name) if pod.hash != self._groups[name]["hash"]]

    def _lasts(self, what: str, now: bool) -> float:
        """For how long something has been so, without a break."""
        if not now:
            self._since.pop(what, None)
            return -1.0
        return self._clock.now() - self._since.setdefault(what, self._clock.now())

    def _describe(self) -> str:
        return self._cluster.see(f"describe pods -l ray.io/cluster={self._cluster.cluster}")

    def _absent(self, error: KubeError) -> Exception:
        if error.status == 404:
            return RolloutError(
                f"there is no RayCluster {self._cluster.cluster}: {error}. Is KubeRay installed "
                f"(rayline:operator)? {self._cluster.see('get raycluster')}"
            )
        return error
