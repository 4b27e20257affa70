"""One RayCluster and its pods, read and deleted through the API server."""

from collections.abc import Collection, Mapping
from typing import Any

from infra.providers.applications.client import ServeClient
from infra.providers.common.api_server import KubeClient
from infra.providers.common.pods import Trouble
from infra.providers.rollout.pods import CLUSTER_LABEL, HEAD, TEMPLATE_HASH, Pod, parse, store

# KubeRay validates in its controller, not at admission: it reports an invalid spec in an event and
# stops reconciling the cluster (controllers/ray/raycluster_controller.go, rayClusterReconcile).
_INVALID = {"InvalidRayClusterSpec", "InvalidRayClusterMetadata", "InvalidRayClusterStatus"}


class RayClusterPods:
    """The cluster's pods. KubeError if the API server refuses or does not answer."""

    def __init__(self, kube: KubeClient, namespace: str, cluster: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self.cluster = cluster
        self._core = f"/api/v1/namespaces/{namespace}"
        self._path = f"/apis/ray.io/v1/namespaces/{namespace}/rayclusters/{cluster}"

    def command(self, kubectl: str) -> str:
        """A kubectl command for the user to type."""
        return f"`kubectl --context {self._kube.context} -n {self._namespace} {kubectl}`"

    def delete_command(self, names: list[str]) -> str:
        """The command with which the user replaces pods."""
        return self.command(f"delete pod {' '.join(names)}")

    def serve(self, head_service: str, token_secret: str) -> ServeClient:
        """Its Serve applications."""
        return ServeClient(self._kube, self._namespace, self.cluster, head_service, token_secret)

    def resource(self) -> dict[str, Any]:
        """The RayCluster. KubeError with status 404 when it does not exist."""
        return self._kube.get(self._path)

    def pods(self) -> list[Pod]:
        """All pods of the head and the groups, including those that are being deleted."""
        found = self._kube.get(
            f"{self._core}/pods", query={"labelSelector": f"{CLUSTER_LABEL}={self.cluster}"}
        )
        return [parse(item) for item in found.get("items") or []]

    def delete(self, pod: Pod) -> None:
        """Delete a pod, within its own grace period."""
        self._kube.delete(f"{self._core}/pods/{pod.name}")

    def last_event(self, pod: Pod) -> str:
        """A pod's latest event, for the user; empty if there is none."""
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
        """Why KubeRay refuses the current RayCluster; empty if it does not.

        Events are kept for an hour, so only those after the last change of the spec count. Both
        times come from the API server or the operator, never from this machine.
        """
        return self._last(resource, _INVALID)

    def not_made(self, resource: Mapping[str, Any], group: str) -> Trouble | None:
        """Why KubeRay cannot make the head or a worker: a quota, an admission webhook, Pod
        Security. There is then no pod that could report it."""
        reason = "FailedToCreateHeadPod" if group == HEAD else "FailedToCreateWorkerPod"
        text = self._last(resource, {reason})
        return Trouble(reason, text) if text else None

    def _last(self, resource: Mapping[str, Any], reasons: Collection[str]) -> str:
        """Message of the last event about the current RayCluster; empty if there is none."""
        changed = max(
            (
                str(field.get("time", ""))
                for field in resource["metadata"].get("managedFields") or []
                if field.get("subresource") != "status"
            ),
            default="",
        )
        found = [
            event
            for event in self._events("RayCluster", self.cluster)
            if event.get("reason") in reasons and _time(event) >= changed
        ]
        return str(max(found, key=_time).get("message", "no message")) if found else ""

    def _events(self, kind: str, name: str) -> list[dict[str, Any]]:
        selector = f"involvedObject.kind={kind},involvedObject.name={name}"
        found = self._kube.get(f"{self._core}/events", query={"fieldSelector": selector})
        return found.get("items") or []


def template_hashes(resource: Mapping[str, Any]) -> dict[str, str]:
    """The hash in each template of the RayCluster, which the next pods of the group will carry."""
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


def head_store(resource: Mapping[str, Any]) -> str:
    """Where the next head of the RayCluster keeps Ray's control store; empty if in memory."""
    head = (resource.get("spec") or {}).get("headGroupSpec") or {}
    template = head.get("template") or {}
    return store(template.get("metadata") or {}, template.get("spec") or {})


def _time(event: Mapping[str, Any]) -> str:
    """ISO 8601 in UTC, which sorts as text."""
    return str(
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event.get("metadata", {}).get("creationTimestamp", "")
    )
