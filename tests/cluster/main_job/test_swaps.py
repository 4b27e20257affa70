"""Changes of a serving configuration: updated resources, restarts, and effects on clients."""

import time

import pytest

from tests.cluster.main_job.client import Client
from tests.cluster.main_job.conftest import USER, Secrets
from tests.cluster.main_job.deployed import NAMESPACE, Deployed, Run
from tests.cluster.main_job.steps import COMMIT, Step, add_model, enable_group, second_with, step

SERVE = "ServeApplications applications"
WANTED = "ConfigMap wanted-applications"


@pytest.fixture(scope="module")
def asked(prepared: Deployed, first: Run, canaries: Secrets) -> Client:
    prepared.configure()
    prepared.up()
    return Client.of(prepared.stack.outputs(), "tiny", USER, canaries.password)


@pytest.fixture(scope="module")
def enabled(prepared: Deployed, asked: Client) -> Step:
    return step(prepared, asked, enable_group)


@pytest.fixture(scope="module")
def added(prepared: Deployed, asked: Client, enabled: Step) -> Step:
    return step(prepared, asked, add_model)


@pytest.fixture(scope="module")
def swapped(prepared: Deployed, asked: Client, added: Step) -> Step:
    return step(prepared, asked, second_with(source="rayline/tiny", revision=COMMIT))


def test_enabling_a_group_adds_its_pods_and_touches_no_other(enabled: Step) -> None:
    enabled.assert_tiny_was_undisturbed()
    new = set(enabled.after) - set(enabled.before)
    assert len(new) == 1
    assert "rtx-3060" in new.pop()
    assert enabled.before.items() <= enabled.after.items()
    # One more worker has one more proxy, which Serve's configuration counts.
    pods = {"RayCluster ray-cluster", "PodRollout pods"}
    assert set(enabled.run.changes) == {*pods, WANTED, SERVE}


def test_adding_a_model_adds_a_download_and_an_application(
    added: Step, prepared: Deployed, canaries: Secrets
) -> None:
    added.assert_tiny_was_undisturbed()
    assert added.after == added.before
    assert added.run.changes == {
        "DownloadJob download-second": "create",
        WANTED: "update",
        SERVE: "update",
    }
    second = Client.of(prepared.stack.outputs(), "second", USER, canaries.password)
    assert second.chat()


def test_a_swap_is_one_download_and_the_serve_resource(
    swapped: Step, prepared: Deployed, canaries: Secrets
) -> None:
    swapped.assert_tiny_was_undisturbed()
    assert swapped.after == swapped.before
    changes = swapped.run.changes
    assert set(changes) == {"DownloadJob download-second", WANTED, SERVE}
    assert changes[SERVE] == "update"
    second = Client.of(prepared.stack.outputs(), "second", USER, canaries.password)
    assert second.chat()


def test_no_zombie_stays_where_replicas_were_replaced(swapped: Step, prepared: Deployed) -> None:
    look = "grep -lsE '^State:[[:space:]]+Z' /proc/[0-9]*/status || true"
    deadline = time.monotonic() + 10
    for pod in swapped.after:
        while found := prepared.kubectl.run("-n", NAMESPACE, "exec", pod, "--", "bash", "-c", look):
            assert time.monotonic() < deadline, f"zombies in {pod}: {found}"
            time.sleep(1)
