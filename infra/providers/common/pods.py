"""What a pod's status reveals about its start. Pure functions of the API server's JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_START = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_CRASH = {"CrashLoopBackOff"}


@dataclass(frozen=True)
class Trouble:
    """A state that rarely ends by itself."""

    kind: str
    """Kubernetes' reason, such as ImagePullBackOff."""
    text: str
    """Kubernetes' message."""


def containers(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Statuses of all containers, in the order in which they start."""
    return [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]


def trouble(status: Mapping[str, Any]) -> Trouble | None:
    """What keeps a pod from starting; None if nothing does."""
    for container in containers(status):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason in _IMAGE | _START | _CRASH:
            last = (container.get("lastState") or {}).get("terminated") or {}
            ended = (
                f"; it ended with {last.get('reason')}, exit code {last.get('exitCode')}"
                f" {str(last.get('message') or '').strip()[-300:]}".rstrip()
                if last
                else ""
            )
            what = f"container {container.get('name')}: {waiting.get('message') or reason}"
            return Trouble(reason, what + ended)
    if status.get("phase") == "Failed" and status.get("reason"):
        # Evicted, or refused by kubelet: it never runs again, and its controller makes another one.
        return Trouble(str(status["reason"]), str(status.get("message") or "no message"))
    scheduled = _conditions(status).get("PodScheduled", {})
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return Trouble("Unschedulable", str(scheduled.get("message", "no message")))
    return None


def state(status: Mapping[str, Any]) -> str:
    """What a pod that is not Ready is doing, for the user."""
    if _conditions(status).get("PodScheduled", {}).get("status") != "True":
        return "waiting for a node"
    init = status.get("initContainerStatuses") or []
    if any((c.get("state") or {}).get("running") for c in init):
        return "waiting for the head"
    if any((c.get("state") or {}).get("running") for c in status.get("containerStatuses") or []):
        return "started, not ready yet"
    return "starting"


def _conditions(status: Mapping[str, Any]) -> Mapping[str, Any]:
    return {condition["type"]: condition for condition in status.get("conditions") or []}
