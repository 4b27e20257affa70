"""One RayCluster and its pods, read and deleted through the API server."""

from collections.abc import Mapping
from typing import Any

from infra.providers.common.api_server import KubeClient
from infra.providers.rollout.pods import CLUSTER_LABEL, HEAD, TEMPLATE_HASH, Pod, parse

# KubeRay validates in its controller, not at admission: it says so in an event and does nothing
# more for the cluster (controllers/ray/raycluster_controller.go, rayClusterReconcile).
_INVALID = {"InvalidRayClusterSpec", "InvalidRayClusterMetadata", "InvalidRayClusterStatus"}


class RayClusterPods:
    """KubeError where the API server refuses or does not answer."""

    def __init__(self, kube: KubeClient, namespace: str, cluster: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self.cluster = cluster
        self._core = f"/api/v1/namespaces/{namespace}"
        self._path = f"/apis/ray.io/v1/namespaces/{namespace}/rayclusters/{cluster}"

    def see(self, command: str) -> str:
        """A command to type."""
        return f"`kubectl --context {self._kube.context} -n {self._namespace} {command}`"

    def delete_command(self, names: list[str]) -> str:
        """What to type to replace pods by hand."""
        return self.see(f"delete pod {' '.join(names)}")

    def resource(self) -> dict[str, Any]:
        """The RayCluster. KubeError with status 404 when there is none."""
        return self._kube.get(self._path)

    def pods(self) -> list[Pod]:
        """All pods of head and groups, those that are being deleted included."""
        found = self._kube.get(
            f"{self._core}/pods", query={"labelSelector": f"{CLUSTER_LABEL}={self.cluster}"}
        )
        return [parse(item) for item in found.get("items") or []]

    def delete(self, pod: Pod) -> None:
        """Ask for a pod's end, in its own grace period."""
        self._kube.delete(f"{self._core}/pods/{pod.name}")

    def last_event(self, pod: Pod) -> str:
        """What happened to a pod last, for people; empty where nothing is known."""
        events = self._events("Pod", pod.name)
        if not events:
            return ""
        last = max(events, key=_time)
        if last.get("reason") == "Pulling":
            return "pulling image"
        if last.get("type") == "Warning":
            return f"{last.get('reason')}: {str(last.get('message', ''))[:160]}"
        return ""

    def refusal(self, resource: Mapping[str, Any]) -> str:
        """Why KubeRay refuses the RayCluster as it is now; empty where it does not.

        Events stay for an hour, so only those count that are not older than the last change of the
        spec. Both times are the API server's or the operator's, none is this machine's.
        """
        changed = max(
            (
                str(field.get("time", ""))
                for field in resource["metadata"].get("managedFields") or []
                if field.get("subresource") != "status"
            ),
            default="",
        )
        said = [
            event
            for event in self._events("RayCluster", self.cluster)
            if event.get("reason") in _INVALID and _time(event) >= changed
        ]
        return str(max(said, key=_time).get("message", "no message")) if said else ""

    def _events(self, kind: str, name: str) -> list[dict[str, Any]]:
        selector = f"involvedObject.kind={kind},involvedObject.name={name}"
        found = self._kube.get(f"{self._core}/events", query={"fieldSelector": selector})
        return found.get("items") or []


def template_hashes(resource: Mapping[str, Any]) -> dict[str, str]:
    """The hash in each template of the RayCluster; pods that KubeRay makes next carry it."""
    spec = resource.get("spec") or {}
    templates = {HEAD: spec.get("headGroupSpec") or {}}
    templates |= {group["groupName"]: group for group in spec.get("workerGroupSpecs") or []}
    return {
        name: str(
            (((group.get("template") or {}).get("metadata") or {}).get("annotations") or {}).get(
                TEMPLATE_HASH, ""
            )
        )
        for name, group in templates.items()
    }


def _time(event: Mapping[str, Any]) -> str:
    """ISO 8601 in UTC, which sorts as text."""
    return str(
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event.get("metadata", {}).get("creationTimestamp", "")
    )
