"""Jobs that exist already: of another configuration, claim, release or owner."""

from typing import Any

import pytest

from infra.providers.download.provider import DownloadJobProvider
from infra.providers.download.reconcile import DownloadError
from tests.infra.providers.calls import call
from tests.infra.providers.download.cluster import (
    COMPLETE,
    FAILED,
    MANIFEST,
    NAME,
    Bench,
    Cluster,
    manifest,
    pod,
    props,
)


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
