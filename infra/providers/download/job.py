"""One download Job and its pods, through the API server."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.pods import Trouble, containers, state, trouble

MANIFEST_HASH = "rayline.dev/manifest-hash"
TRANSFER_HASH = "rayline.dev/transfer-hash"
"""Annotations of a Job. A Job cannot be changed, so one that was made from other settings is
replaced: at any difference if no pod of it runs, otherwise only if the transfer itself differs."""
PART_OF = "app.kubernetes.io/part-of"


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

    def live(self) -> Mapping[str, Any] | None:
        """The Job in the cluster; None if there is no such Job."""
        try:
            return self._kube.get(f"{self._jobs}/{self.name}")
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def status(self) -> Mapping[str, Any] | None:
        """The Job's status; None if there is no such Job."""
        live = self.live()
        return None if live is None else dict(live.get("status") or {})

    def create(self) -> None:
        """Create the Job. An existing Job of that name stays unchanged."""
        metadata = self._manifest["metadata"]
        annotations = {
            **(metadata.get("annotations") or {}),
            MANIFEST_HASH: digest(self._manifest),
            TRANSFER_HASH: digest(transfer(self._manifest)),
        }
        try:
            self._kube.post(
                self._jobs,
                {**self._manifest, "metadata": {**metadata, "annotations": annotations}},
            )
        except KubeError as error:
            if error.status != 409:
                raise

    def delete(self, live: Mapping[str, Any] | None = None) -> None:
        """Delete the Job and its pods; succeeds when it is absent, or when it is another Job than
        `live`."""
        options: dict[str, Any] = {"propagationPolicy": "Background"}
        uid = _metadata(live).get("uid") if live else None
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            self._kube.delete(f"{self._jobs}/{self.name}", options)
        except KubeError as error:
            if uid is None or error.status != 409:
                raise

    def is_foreign(self, live: Mapping[str, Any]) -> bool:
        """Whether someone else made the live Job."""
        mine = (self._manifest["metadata"].get("labels") or {}).get(PART_OF)
        return mine != (_metadata(live).get("labels") or {}).get(PART_OF)

    def fills_another_claim(self, live: Mapping[str, Any]) -> bool:
        """Whether the live Job downloads into another claim than the wanted one."""
        return claim(live) != claim(self._manifest)

    def is_outdated(self, live: Mapping[str, Any], *, running: bool) -> bool:
        """Whether the live Job was made from other settings, as far as that matters to a Job with
        or without a running pod."""
        known = _metadata(live).get("annotations") or {}
        if not running:
            return bool(known.get(MANIFEST_HASH) != digest(self._manifest))
        # A Job of an earlier release of rayline has no annotations.
        return known.get(TRANSFER_HASH) not in (None, digest(transfer(self._manifest)))

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


def claim(manifest: Mapping[str, Any]) -> str | None:
    """The claim that a Job mounts; None if its manifest shows none."""
    for volume in _pod(manifest).get("volumes") or []:
        if "persistentVolumeClaim" in volume:
            return str(volume["persistentVolumeClaim"]["claimName"])
    return None


def transfer(manifest: Mapping[str, Any]) -> list[Any]:
    """What a Job downloads, whence, how and whither: a difference is worth starting anew, which
    keeps everything that was received."""
    container: Mapping[str, Any] = next(iter(_pod(manifest).get("containers") or []), {})
    return [container.get("args"), container.get("env"), claim(manifest)]


def digest(value: Any) -> str:
    """16 hexadecimal digits that differ for different values."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _metadata(live: Mapping[str, Any]) -> Mapping[str, Any]:
    return live.get("metadata") or {}


def _pod(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = manifest.get("spec") or {}
    return (spec.get("template") or {}).get("spec") or {}


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
