"""Download Jobs on a real API server. No controller runs them, so a test sets their status."""

import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.providers.common.api_server import KubeClient
from infra.providers.common.waiting import Waiting
from infra.providers.download.job import Job
from infra.providers.download.reconcile import Download, DownloadError
from infra.specs.download_job import download_job
from tests.apiserver.server import CONTEXT, ApiServer
from tests.infra.providers.common.fake_api_server import FakeClock
from tests.infra.specs.original import IMAGE, original

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "manage-weights.md"


def manifest(namespace: str, **changes: Any) -> dict[str, Any]:
    settings = original(cluster={"context": CONTEXT, "namespace": namespace}, **changes)
    return dict(download_job(settings, settings.models[0], IMAGE))


class Completing(FakeClock):
    """Completes the Job during the first sleep, as the Job controller would."""

    def __init__(self, server: ApiServer, job: dict[str, Any]) -> None:
        super().__init__()
        self._server, self._job = server, job

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        metadata = self._job["metadata"]
        live = self._server.find("batch/v1", "Job", metadata["name"], metadata["namespace"])
        if live is None or _pull_secrets(live) != _pull_secrets(self._job):
            return  # still the Job that is being replaced
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ended = [
            {"type": kind, "status": "True", "lastTransitionTime": now, "lastProbeTime": now}
            for kind in ("SuccessCriteriaMet", "Complete")
        ]
        self._server.set_status(
            self._job, startTime=now, completionTime=now, succeeded=1, conditions=ended
        )


def _pull_secrets(job: dict[str, Any]) -> Any:
    return job["spec"]["template"]["spec"]["imagePullSecrets"]


def run(job: dict[str, Any], clock: FakeClock, seconds: float = 60) -> list[str]:
    lines: list[str] = []
    with KubeClient(CONTEXT) as kube:
        Download(Job(kube, job), "tiny", Waiting(lines.append, clock, seconds)).run()
    return lines


def test_a_corrected_job_replaces_the_one_that_could_not_start(
    api_server: ApiServer, api_namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    wrong = manifest(api_namespace, image={"ref": IMAGE, "pullSecret": "wrong"})
    right = manifest(api_namespace, image={"ref": IMAGE, "pullSecret": "right"})
    name = right["metadata"]["name"]
    with pytest.raises(DownloadError, match="not downloaded after"):
        run(wrong, FakeClock(), seconds=6)
    first = api_server.get("batch/v1", "Job", name, api_namespace)
    with pytest.raises(DownloadError, match="not downloaded after"):
        run(wrong, FakeClock(), seconds=6)  # the same configuration: the Job is adopted
    same = api_server.get("batch/v1", "Job", name, api_namespace)
    assert same["metadata"]["uid"] == first["metadata"]["uid"]

    lines = run(right, Completing(api_server, right))
    live = api_server.get("batch/v1", "Job", name, api_namespace)
    assert live["metadata"]["uid"] != first["metadata"]["uid"]
    assert live["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "right"}]
    assert lines[0].startswith("tiny: deleting the Job of an earlier configuration")
    run(right, FakeClock())  # complete: nothing to do


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {"httpProxy": "http://a:1", "noProxy": ["b"], "caConfigMap": {"name": "c"}}},
        {"hub": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "a"}]}},
        {"hub": {"nodeSelector": {}, "tolerations": []}},
    ],
)
def test_kubernetes_accepts_what_the_keys_make(
    api_server: ApiServer, api_namespace: str, changes: dict[str, Any]
) -> None:
    api_server.create(manifest(api_namespace, **changes), dry_run=True)


def test_kubernetes_accepts_the_pods_of_the_page_about_weights(
    api_server: ApiServer, api_namespace: str
) -> None:
    blocks = PAGE.read_text().split("```yaml\n")[1:]
    pods = [yaml.safe_load(textwrap.dedent(block.split("```")[0])) for block in blocks]
    assert [pod["kind"] for pod in pods] == ["Pod", "Pod"]
    for pod in pods:
        pod["metadata"]["namespace"] = api_namespace
        if "serviceAccountName" in pod["spec"]:
            pod["spec"]["serviceAccountName"] = "default"
        api_server.create(pod, dry_run=True)
