"""A download Job from its creation to its end, against a fake of the API server."""

import pytest

from infra.providers.download.provider import DownloadJobProvider
from infra.providers.download.reconcile import DownloadError
from tests.infra.providers.calls import call
from tests.infra.providers.common.fake_api_server import CONTEXT
from tests.infra.providers.download.cluster import (
    COMPLETE,
    FAILED,
    JOBS,
    MANIFEST,
    NAME,
    NAMESPACE,
    Bench,
    Cluster,
    created,
    manifest,
    pod,
    props,
)


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
