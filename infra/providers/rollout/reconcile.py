"""Replaces outdated pods, and waits until all are Ready.

Each turn observes the pods and takes the step that is missing. It remembers only how often it
deleted pods, so the next rollout finishes an interrupted one.
"""

from collections.abc import Mapping
from typing import Any

from infra.providers.common.api_server import KubeError
from infra.providers.common.patience import Patience, Verdict
from infra.providers.common.pods import Trouble
from infra.providers.common.waiting import Waiting
from infra.providers.rollout.cluster import RayClusterPods, head_store, template_hashes
from infra.providers.rollout.errors import RolloutError, RolloutFailedError, RolloutTimeoutError
from infra.providers.rollout.pods import HEAD, Observed, Pod, gone, observe
from infra.providers.rollout.rolling import Rolling, Serving

Groups = Mapping[str, Mapping[str, Any]]

STUCK_SECONDS = 60.0
"""A pod that is still there this long after its grace period has a node that does not answer."""
STALE_SECONDS = 60.0
"""Seconds for which the RayCluster may lack a wanted hash."""
MAX_DELETIONS = 5
"""How often a group's pods may come back with an old template. The operator's cache may lag behind
the RayCluster for a moment, and the operator then makes one more pod from the old template."""


class Rollout:
    """One change of the pods of one RayCluster."""

    def __init__(
        self,
        cluster: RayClusterPods,
        groups: Groups,
        upgrade: str,
        waiting: Waiting,
        serving: Serving | None = None,
    ) -> None:
        """`groups`: `hash`, `replicas`, and `keeps`, the models that have to go on answering, which
        needs `serving`."""
        self._cluster = cluster
        self._rolling = Rolling(serving, waiting, cluster) if serving else None
        self._groups = groups
        self._recreate = upgrade == "recreate"
        self._waiting = waiting
        self._patience = Patience(waiting)
        self._state = "the pods were not observed yet"
        self._deletions: dict[str, int] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._ended: dict[str, str] = {}
        self._made: dict[str, str] = {}
        self.pods: list[Pod] = []
        """The pods when they were last observed."""

    @property
    def observed(self) -> Observed:
        """The pods when they were last observed, by group."""
        return observe(self.pods, self._groups, self._made)

    def run(self) -> None:
        """Return when every pod matches its template and is Ready.

        RolloutError or KubeError names the cause of a failure.
        """
        if not self._waiting.until(self._turn):
            raise RolloutTimeoutError(
                f"not every Ray pod is Ready after {self._waiting.elapsed:.0f} s: {self._state}. "
                f"Look at {self._describe()}. If it only needs more time, raise "
                "`pulumi config set --path 'rayline:timeouts.podsReadySeconds' ...`"
            )

    def _turn(self) -> str | None:
        try:
            state = self._advance()
        except KubeError as error:
            if not error.transient:
                raise self._absent(error) from error
            state = str(error)
        if state is not None:
            self._state = state
        return state

    def _advance(self) -> str | None:
        """Take the next step. Returns what it waits for; None: every pod matches and is Ready."""
        resource = self._cluster.resource()
        self.pods = self._cluster.pods()
        if resource["metadata"].get("deletionTimestamp"):
            return f"the RayCluster {self._cluster.cluster} is being deleted"
        self._made = made = template_hashes(resource)
        leftover = gone(self.pods, self._groups, made)
        unfinished = [name for name in self._groups if not self._finished(name)]
        if not unfinished and not leftover:
            return None
        refusal = self._cluster.refusal(resource)
        if refusal:
            raise RolloutFailedError(
                f"KubeRay refuses the RayCluster {self._cluster.cluster}: {refusal}. "
                "Correct rayline:ray or rayline:gpuGroups"
            )
        behind = [n for n, group in self._groups.items() if made.get(n) != group["hash"]]
        if self._waiting.lasts("behind", bool(behind)) > STALE_SECONDS:
            raise RolloutError(
                f"the templates of {', '.join(behind)} in the RayCluster {self._cluster.cluster} "
                "are not the wanted ones: something else changes it. "
                f"{self._cluster.command(f'get raycluster {self._cluster.cluster} -o yaml')}"
            )
        if leftover and not behind:
            return self._remove(leftover)
        if not behind:
            self._replace(unfinished, head_store(resource))
        self._judge(resource, unfinished)
        held = self._rolling.held if self._rolling else ""
        return "; ".join(filter(None, [*(self._line(name) for name in unfinished), held]))

    def _remove(self, leftover: list[Pod]) -> str:
        """Also with `manual`, as KubeRay does when a number of workers is lowered. Their preStop
        hook lets streams end; nobody waits for it."""
        for pod in leftover:
            self._cluster.delete(pod)
        groups = ", ".join(sorted({pod.group for pod in leftover}))
        return f"deleting {len(leftover)} pods of groups that are gone: {groups}"

    def _replace(self, unfinished: list[str], store: str) -> None:
        """Delete outdated pods: first the head, then one group at a time, and in a group with a
        second replica one worker at a time. `store` is where the next head finds Ray's control
        store."""
        if self._recreate and self._old(HEAD):
            # A new head without the store of the last one is a new Ray cluster: workers stop at
            # different times, and their containers restart with a growing delay. New pods are
            # quicker and cleaner.
            alone = self._continues(store)
            self._delete(HEAD, self._present(HEAD) if alone else self._all_present())
            return
        if HEAD in unfinished:
            return  # workers that end without a head do not drain
        for name in unfinished:
            if self._recreate:
                if old := self._old(name):
                    self._delete(name, self._next(name, old))
                return

    def _keeps(self, name: str) -> list[str]:
        """The models of a group that answer while its workers are replaced one after another."""
        return list(self._groups[name].get("keeps") or []) if self._rolling else []

    def _next(self, name: str, old: list[Pod]) -> list[Pod]:
        """The worker that may be deleted now, if there is one."""
        present, keeps = self._present(name), self._keeps(name)
        if not self._rolling or not keeps:
            return old
        if broken := [pod for pod in old if not pod.ready]:
            return broken
        if self._missing(name) > 0 or self._leaving(name) or not all(p.ready for p in present):
            return []
        return self._rolling.next(name, keeps, old, present)

    def _continues(self, store: str) -> bool:
        """Whether the workers go on with the next head: it has the store of the running one, which
        belongs to one version and one token of Ray. Where all templates changed, as a new image
        does, replacing all together is quicker, unless a model goes on answering meanwhile."""
        if not store or any(pod.store != store for pod in self._present(HEAD)):
            return False
        groups = [name for name in self._groups if name != HEAD and self._present(name)]
        return not groups or any(not self._old(name) or self._keeps(name) for name in groups)

    def _all_present(self) -> list[Pod]:
        return [pod for pod in self.pods if not pod.deleting]

    def _delete(self, group: str, pods: list[Pod]) -> None:
        if not pods:
            return
        self._deletions[group] = self._deletions.get(group, 0) + 1
        one_by_one = int(self._groups[group]["replicas"]) if self._keeps(group) else 0
        if self._deletions[group] > MAX_DELETIONS + one_by_one:
            raise RolloutError(
                f"{group}: the operator has made pods of an old template {MAX_DELETIONS} times "
                "although the RayCluster has the new one. Restart the operator: `kubectl rollout "
                "restart deployment kuberay-operator` in its namespace"
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

    def _judge(self, resource: Mapping[str, Any], unfinished: list[str]) -> None:
        """What is wrong with pods, and with pods that KubeRay cannot make. RolloutFailedError for
        what waiting does not mend."""
        troubles: dict[str, tuple[str, Trouble | None]] = {}
        for pod in self.pods:
            wanted = not pod.deleting and pod.hash == self._groups.get(pod.group, {}).get("hash")
            troubles[pod.name] = f"{pod.group}: pod {pod.name}", pod.trouble if wanted else None
            if pod.trouble and pod.ended:
                self._ended[pod.group] = f"{pod.trouble.kind}: {pod.trouble.text}"
        for name in unfinished:
            # KubeRay counts leaving pods, so it does not even try before they are gone.
            missing = self._missing(name) > 0 and not self._leaving(name)
            trouble = self._cluster.not_made(resource, name) if missing else None
            troubles[name] = name, trouble
        self._verdicts = {
            key: verdict
            for key, (_, trouble) in troubles.items()
            if (verdict := self._patience.judge(key, trouble)) is not None
        }
        failed = [
            f"{troubles[key][0]}: {verdict.text}"
            for key, verdict in self._verdicts.items()
            if verdict.failed
        ]
        if failed:
            raise RolloutFailedError("; ".join(failed) + f". Look at {self._describe()}")

    def _line(self, name: str) -> str:
        group, present = self._groups[name], self._present(name)
        wanted = int(group["replicas"])
        ready = sum(pod.ready and pod.hash == group["hash"] for pod in present)
        parts = [f"{name}: {ready} of {wanted} ready"]
        leaving = self._leaving(name)
        slow = next((pod for pod in present if not pod.ready), None)
        verdict = self._verdicts.get(slow.name if slow else name)
        if verdict is not None:
            parts.append(verdict.text)
        elif slow is not None:
            parts.append(self._cluster.last_event(slow) or slow.state)
        elif self._missing(name) > 0:
            parts.append(f"waiting for KubeRay to make {self._missing(name)}")
        if name in self._ended:
            parts.append(f"its last pod has ended with {self._ended[name]}")
        if leaving or len(present) > wanted:
            parts.append(f"{len(leaving) or len(present) - wanted} leaving")
        parts += filter(None, map(self._stuck, leaving))
        return ", ".join(parts)

    def _stuck(self, pod: Pod) -> str:
        """What to do about a leaving pod whose node does not confirm its end; empty at first."""
        lasts = self._waiting.lasts(f"leaving {pod.name}", True)
        if lasts < pod.grace_seconds + STUCK_SECONDS:
            return ""
        node = self._cluster.command(f"get node {pod.node}") if pod.node else "its node"
        force = self._cluster.command(f"delete pod {pod.name} --force")
        return (
            f"{pod.name} should have ended {lasts - pod.grace_seconds:.0f} s ago: does {node} "
            f"show the node as Ready? If the node is lost for good, type: {force}"
        )

    def _present(self, name: str) -> list[Pod]:
        return [pod for pod in self.pods if pod.group == name and not pod.deleting]

    def _missing(self, name: str) -> int:
        return int(self._groups[name]["replicas"]) - len(self._present(name))

    def _leaving(self, name: str) -> list[Pod]:
        return [pod for pod in self.pods if pod.group == name and pod.deleting]

    def _old(self, name: str) -> list[Pod]:
        return [pod for pod in self._present(name) if pod.hash != self._groups[name]["hash"]]

    def _describe(self) -> str:
        return self._cluster.command(f"describe pods -l ray.io/cluster={self._cluster.cluster}")

    def _absent(self, error: KubeError) -> Exception:
        if error.status == 404:
            return RolloutError(
                f"there is no RayCluster {self._cluster.cluster}: {error}. If someone has deleted "
                "it, or a removal was interrupted, type: pulumi up --refresh. Otherwise: is "
                f"KubeRay installed (rayline:operator)? {self._cluster.command('get raycluster')}"
            )
        return error
