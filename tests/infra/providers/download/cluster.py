"""A fake of the API server with one download Job, and runs against it."""

from typing import Any

from infra.providers.common.api_server import KubeClient
from infra.providers.common.waiting import Waiting
from infra.providers.download.job import MANIFEST_HASH, TRANSFER_HASH, Job, digest, transfer
from infra.providers.download.reconcile import Download
from tests.infra.providers.common.fake_api_server import (
    CONTEXT,
    FakeApi,
    FakeClock,
    Request,
    refused,
)

NAME, NAMESPACE = "ray-download-tiny-0badcafe", "here"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
PART_OF = {"app.kubernetes.io/part-of": "ray"}


def manifest(claim: str = "cache", image: str = "a", endpoint: str = "hub") -> dict[str, Any]:
    volume = {"name": "model-cache", "persistentVolumeClaim": {"claimName": claim}}
    container = {
        "name": "download",
        "image": image,
        "args": ["--source", "owner/x"],
        "env": [{"name": "HF_ENDPOINT", "value": endpoint}],
    }
    return {
        "kind": "Job",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": PART_OF},
        "spec": {"template": {"spec": {"containers": [container], "volumes": [volume]}}},
    }


MANIFEST = manifest()
COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}
FAILED = {"conditions": [{"type": "Failed", "status": "True", "message": "a pod failed"}]}


def pod(phase: str, words: str = "", code: int = 0, **status: Any) -> dict[str, Any]:
    ended = {"terminated": {"exitCode": code, "reason": "Error", "message": words}} if code else {}
    return {
        "metadata": {"name": f"pod-{phase.lower()}-{code}", "creationTimestamp": str(code)},
        "status": {
            "phase": phase,
            "containerStatuses": [{"name": "download", "state": ended}],
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            **status,
        },
    }


def created(wanted: dict[str, Any]) -> dict[str, Any]:
    """A live Job that this version of rayline made from a manifest."""
    hashes = {MANIFEST_HASH: digest(wanted), TRANSFER_HASH: digest(transfer(wanted))}
    metadata = {**wanted["metadata"], "uid": "live", "annotations": hashes}
    return {**wanted, "metadata": metadata}


class Cluster(FakeApi):
    """Answers with one status after another; the last one stays."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: list[dict[str, Any] | None] = [None]
        self.existing: dict[str, Any] = created(MANIFEST)
        """The Job before the run, without its status."""
        self.pods: list[dict[str, Any]] = []
        self.log = ""
        self.broken = 0

    def answer(self, request: Request) -> tuple[int, Any]:
        if self.broken:
            self.broken -= 1
            return 503, "a proxy's page"
        if request.path == f"{JOBS}/{NAME}" and request.method == "GET":
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            if status is None:
                return refused(404, "NotFound", "")
            return 200, {**self.existing, "status": status}
        if request.path == PODS:
            assert request.query["labelSelector"] == f"batch.kubernetes.io/job-name={NAME}"
            return 200, {"items": self.pods}
        if request.path.endswith("/log"):
            return 200, self.log
        return 200, {}


class Bench:
    """One run, and the lines that it showed."""

    def __init__(self, deadline: float = 600) -> None:
        self.lines: list[str] = []
        self.clock = FakeClock()
        self.deadline = deadline

    def run(self, wanted: dict[str, Any] = MANIFEST) -> Download:
        with KubeClient(CONTEXT) as kube:
            waiting = Waiting(self.lines.append, self.clock, self.deadline)
            work = Download(Job(kube, wanted), "tiny", waiting)
            work.run()
            return work


def props(**changes: Any) -> dict[str, Any]:
    attributes = {"context": CONTEXT, "namespace": NAMESPACE, "name": NAME, "model": "tiny"}
    return {**attributes, "job": MANIFEST, "deadline_seconds": 60, **changes}
