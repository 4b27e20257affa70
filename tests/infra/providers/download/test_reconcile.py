"""A download Job from its creation to its end, against a fake of the API server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.providers.common.api_server import KubeClient
from infra.providers.common.waiting import Waiting
from infra.providers.download.job import MANIFEST_HASH, TRANSFER_HASH, Job, digest, transfer
from infra.providers.download.provider import DownloadJobProvider
from infra.providers.download.reconcile import Download, DownloadError
from tests.infra.providers.calls import call
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


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with Cluster() as fake:
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path)))
        yield fake


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


def test_a_job_is_created_and_waited_for(cluster: Cluster) -> None:
    cluster.statuses = [None, {}, {}, COMPLETE]
    cluster.pods = [pod("Running")]
    cluster.log = "34 %: 4.5 GiB of 13.3 GiB, 80.0 MiB/s, about 2 min left\n"
    bench = Bench()
    assert bench.run().created
    (made,) = cluster.asked("POST")
    assert made.path == JOBS
    assert made.body == {
        **MANIFEST,
        "metadata": {k: v for k, v in created(MANIFEST)["metadata"].items() if k != "uid"},
    }
    assert bench.lines[1] == (
        "tiny: 34 %: 4.5 GiB of 13.3 GiB, 80.0 MiB/s, about 2 min left, 2 s of 600 s"
    )


def test_a_complete_job_is_left_alone(cluster: Cluster) -> None:
    cluster.statuses = [COMPLETE]
    Bench().run()
    assert not cluster.asked("POST")
    assert not cluster.asked("DELETE")


def test_a_running_job_is_adopted(cluster: Cluster) -> None:
    cluster.statuses = [{}, COMPLETE]
    Bench().run()
    assert not cluster.asked("POST")


def test_a_failure_quotes_the_job_at_once(cluster: Cluster) -> None:
    cluster.statuses = [None, {}, FAILED]
    cluster.pods = [pod("Failed", "10 %\nerror: owner/x holds no weights.\n", 2)]
    bench = Bench()
    with pytest.raises(
        DownloadError, match="tiny cannot be downloaded: owner/x holds no weights"
    ) as e:
        bench.run()
    assert bench.clock.now() < 10
    assert f"kubectl --context {CONTEXT} -n {NAMESPACE} logs -l job-name={NAME}" in str(e.value)


def test_a_failure_without_a_log_quotes_kubernetes(cluster: Cluster) -> None:
    cluster.statuses = [None, FAILED]
    with pytest.raises(DownloadError, match="a pod failed"):
        Bench().run()


def test_a_job_that_failed_earlier_is_created_again(cluster: Cluster) -> None:
    cluster.statuses = [FAILED, FAILED, None, {}, COMPLETE]
    Bench().run()
    (deleted,) = cluster.asked("DELETE")
    assert deleted.body == {
        "propagationPolicy": "Background",
        "preconditions": {"uid": "live"},
    }
    assert len(cluster.asked("POST")) == 1


def test_the_last_error_is_shown_between_two_attempts(cluster: Cluster) -> None:
    cluster.statuses = [None, {}, COMPLETE]
    cluster.pods = [pod("Failed", "error: the connection was cut", 1)]
    bench = Bench()
    bench.run()
    assert (
        "waiting for the next attempt; the last one failed: the connection was cut"
        in bench.lines[1]
    )


def test_a_second_attempt_is_counted(cluster: Cluster) -> None:
    cluster.statuses = [None, {}, COMPLETE]
    cluster.pods = [pod("Running"), pod("Failed", "error: cut", 1)]
    cluster.pods[0]["metadata"]["creationTimestamp"] = "2"
    cluster.log = "60 %"
    bench = Bench()
    bench.run()
    assert "tiny: attempt 2, 60 %" in bench.lines[1]


def test_a_pod_that_cannot_start_fails_early(
    cluster: Cluster,
) -> None:
    cluster.statuses = [None, {}]
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "image x: not found"}}
    cluster.pods = [pod("Pending", containerStatuses=[{"name": "download", "state": waiting}])]
    bench = Bench(deadline=10_000)
    with pytest.raises(
        DownloadError, match="ImagePullBackOff: container download: image x: not found"
    ):
        bench.run()
    assert bench.clock.now() < 130


def test_the_deadline_is_kept_and_named(cluster: Cluster) -> None:
    cluster.statuses = [None, {}]
    cluster.pods = [pod("Running")]
    bench = Bench(deadline=60)
    with pytest.raises(DownloadError, match=r"after 6\d s: downloading.*downloadSeconds"):
        bench.run()


def test_a_brief_outage_of_the_api_server_is_waited_out(cluster: Cluster) -> None:
    cluster.statuses = [None, {}, COMPLETE]
    cluster.broken = 3
    Bench().run()
    assert len(cluster.asked("POST")) == 1


def props(**changes: Any) -> dict[str, Any]:
    attributes = {"context": CONTEXT, "namespace": NAMESPACE, "name": NAME, "model": "tiny"}
    return {**attributes, "job": MANIFEST, "deadline_seconds": 60, **changes}


def test_only_a_different_name_is_a_different_download() -> None:
    diff = DownloadJobProvider().diff
    done = props(complete=True)
    assert not diff(NAME, done, props(job=manifest(image="b"), deadline_seconds=5)).changes
    other = diff(NAME, done, props(name="other"))
    assert other.changes
    assert other.replaces == ["name"]


def test_the_next_up_retries_a_failed_job() -> None:
    diff = DownloadJobProvider().diff(NAME, props(complete=False), props())
    assert diff.changes
    assert not diff.replaces


def test_a_renamed_context_starts_no_second_download(cluster: Cluster) -> None:
    cluster.statuses = [None]  # the Job was deleted after it was complete
    news = props(context="renamed")
    stored = DownloadJobProvider().update(call(), NAME, props(complete=True), news)
    assert stored == {**news, "complete": True}
    assert cluster.requests == []


def test_create_update_read_and_delete(cluster: Cluster) -> None:
    provider = DownloadJobProvider()
    cluster.statuses = [None, COMPLETE]
    made = provider.create(call(), props())
    assert (made.id, made.outs) == (NAME, props(complete=True))
    cluster.statuses = [COMPLETE]
    assert provider.update(call(), NAME, props(complete=False), props()) == props(complete=True)
    assert provider.read(call(), NAME, props(complete=False)).outs == props(complete=True)
    cluster.statuses = [FAILED]
    read = provider.read(call(), NAME, props(complete=True))
    assert read.outs == props(complete=False)
    provider.delete(call(), NAME, props())
    assert cluster.asked("DELETE")[-1].path == f"{JOBS}/{NAME}"
    cluster.statuses = [None]  # someone deleted the Job to download again
    assert provider.read(call(), NAME, props(complete=True)).outs == props(complete=False)


@pytest.mark.parametrize(
    ("wanted", "phase", "replaced"),
    [
        (manifest(), "Pending", False),
        (manifest(), "Running", False),
        (manifest(image="right"), "Pending", True),
        (manifest(image="right"), "Failed", True),  # between two attempts
        (manifest(image="right"), "Running", False),  # it makes progress, with the same result
        (manifest(endpoint="mirror"), "Running", True),
        (manifest(claim="other"), "Running", True),
    ],
)
def test_a_job_of_an_earlier_configuration_is_replaced_unless_it_makes_progress(
    cluster: Cluster, wanted: dict[str, Any], phase: str, replaced: bool
) -> None:
    cluster.pods = [pod(phase)]
    cluster.statuses = [{}, {}, None, {}, COMPLETE] if replaced else [{}, COMPLETE]
    Bench().run(wanted)
    assert len(cluster.asked("DELETE")) == len(cluster.asked("POST")) == int(replaced)


def test_a_corrected_pull_secret_reaches_a_job_that_could_not_start(cluster: Cluster) -> None:
    """Three failures of 120 s with one POST and no DELETE, before Jobs knew their configuration."""
    right = manifest(image="right")
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "x: unauthorized"}}
    stuck = pod("Pending", containerStatuses=[{"name": "download", "state": waiting}])
    cluster.pods, cluster.statuses = [stuck], [None, {}]
    with pytest.raises(DownloadError, match=r"unauthorized.*`pulumi up` creates the Job again"):
        Bench().run()
    cluster.statuses = [{}, None, {}, COMPLETE]
    bench = Bench()
    bench.run(right)
    assert bench.clock.now() < 20
    assert bench.lines[0].startswith("tiny: deleting the Job of an earlier configuration")
    assert cluster.asked("POST")[-1].body["spec"] == right["spec"]


def test_a_job_of_an_earlier_release_is_left_alone_while_it_runs(cluster: Cluster) -> None:
    cluster.existing = {**MANIFEST, "metadata": {**MANIFEST["metadata"], "uid": "old"}}
    cluster.pods, cluster.statuses = [pod("Running")], [{}, COMPLETE]
    Bench().run(manifest(image="right"))
    assert not cluster.asked("DELETE")


def test_a_complete_job_of_another_claim_is_run_again(cluster: Cluster) -> None:
    wanted = manifest(claim="other")
    done = props(complete=True)
    diff = DownloadJobProvider().diff(NAME, done, props(job=wanted))
    assert diff.changes
    assert not diff.replaces
    cluster.statuses = [COMPLETE, COMPLETE, None, {}, COMPLETE]
    DownloadJobProvider().update(call(), NAME, done, props(job=wanted))
    assert len(cluster.asked("DELETE")) == 1
    (made,) = cluster.asked("POST")
    assert made.body["spec"] == wanted["spec"]


def test_an_upgrade_downloads_nothing_again(cluster: Cluster) -> None:
    """The state and the Job of an earlier release know neither hashes nor proxies."""
    old = {**MANIFEST, "metadata": {**MANIFEST["metadata"], "uid": "old"}}
    cluster.existing, cluster.statuses = old, [COMPLETE]
    new = props(job=manifest(image="new"))
    assert not DownloadJobProvider().diff(NAME, props(complete=True), new).changes
    Bench().run(manifest(image="new", endpoint="mirror"))
    assert not cluster.asked("DELETE")
    assert not cluster.asked("POST")


def test_a_job_of_someone_else_is_neither_adopted_nor_deleted(cluster: Cluster) -> None:
    metadata = {**MANIFEST["metadata"], "labels": {"app": "theirs"}, "uid": "theirs"}
    cluster.existing, cluster.statuses = {**MANIFEST, "metadata": metadata}, [FAILED]
    with pytest.raises(DownloadError, match=rf"did not create.*delete job {NAME}"):
        Bench().run()
    assert not cluster.asked("DELETE")


def test_a_pod_without_a_node_is_waited_for_until_the_deadline(cluster: Cluster) -> None:
    cluster.statuses = [None, {}]
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    cluster.pods = [pod("Pending", conditions=[{**scheduled, "message": "0/3 nodes: taint"}])]
    bench = Bench(deadline=900)
    with pytest.raises(DownloadError, match=r"after 90\d s: pod .* cannot start yet: Unschedul"):
        bench.run()
    assert any("cannot start yet: Unschedulable: 0/3 nodes" in line for line in bench.lines)
