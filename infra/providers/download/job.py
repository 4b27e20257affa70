"""One download Job and its pods, through the API server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.pods import Trouble, containers, state, trouble


@dataclass(frozen=True)
class Attempt:
    """One pod of the Job: its state, and the last lines of its log."""

    name: str
    running: bool
    failed: bool
    words: str
    """The last lines of a failed container's log; empty otherwise."""
    state: str
    trouble: Trouble | None


class Job:
    """The Job in the cluster. KubeError if the API server refuses or does not answer."""

    def __init__(self, kube: KubeClient, manifest: Mapping[str, Any]) -> None:
        self._kube = kube
        self._manifest = manifest
        self.name = str(manifest["metadata"]["name"])
        self._namespace = manifest["metadata"]["namespace"]
        self._jobs = f"/apis/batch/v1/namespaces/{self._namespace}/jobs"
        self._pods = f"/api/v1/namespaces/{self._namespace}/pods"

    def command(self, kubectl: str) -> str:
        """A kubectl command for the user to type."""
        return f"`kubectl --context {self._kube.context} -n {self._namespace} {kubectl}`"

    def status(self) -> Mapping[str, Any] | None:
        """The Job's status; None if there is no such Job."""
        try:
            found = self._kube.get(f"{self._jobs}/{self.name}")
        except KubeError as error:
            if error.status == 404:
                return None
            raise
        return dict(found.get("status") or {})

    def create(self) -> None:
        """Create the Job. An existing Job of that name stays unchanged."""
        try:
            self._kube.post(self._jobs, self._manifest)
        except KubeError as error:
            if error.status != 409:
                raise

    def delete(self) -> None:
        """Delete the Job and its pods; succeeds when it is absent."""
        self._kube.delete(f"{self._jobs}/{self.name}", {"propagationPolicy": "Background"})

    def attempts(self) -> list[Attempt]:
        """Its pods, oldest first."""
        selector = {"labelSelector": f"batch.kubernetes.io/job-name={self.name}"}
        items = self._kube.get(self._pods, query=selector).get("items") or []
        return [_attempt(item) for item in sorted(items, key=_created)]

    def last_line(self, attempt: Attempt) -> str:
        """The last line of a pod's log; empty if there is no log yet."""
        answer = self._kube.call(
            "GET", f"{self._pods}/{attempt.name}/log", query={"tailLines": "1"}, timeout=10
        )
        return answer.text.strip() if answer.status == 200 else ""


def ended(status: Mapping[str, Any]) -> tuple[str, str]:
    """("Complete", "") or ("Failed", Kubernetes' message); two empty strings while it runs."""
    for condition in status.get("conditions") or []:
        if condition.get("status") == "True" and condition.get("type") in {"Complete", "Failed"}:
            return condition["type"], str(condition.get("message") or condition.get("reason") or "")
    return "", ""


def _created(item: Mapping[str, Any]) -> str:
    return str(item["metadata"].get("creationTimestamp", ""))


def _attempt(item: Mapping[str, Any]) -> Attempt:
    status = item.get("status") or {}
    words = ""
    for container in containers(status):
        terminated = (container.get("state") or {}).get("terminated") or {}
        if terminated.get("exitCode"):
            words = str(terminated.get("message") or "").strip() or (
                f"container {container.get('name')} ended with {terminated.get('reason')}, "
                f"exit code {terminated['exitCode']}"
            )
    return Attempt(
        name=item["metadata"]["name"],
        running=status.get("phase") == "Running",
        failed=status.get("phase") == "Failed",
        words=words,
        state=state(status),
        trouble=trouble(status),
    )
