"""The head is lost together with Ray's control store, and nobody types anything."""

import time
from collections.abc import Callable

import httpx

from sandbox.cluster.kubectl import Kubectl
from tests.cluster.faults import rows
from tests.cluster.main_job.client import Client
from tests.cluster.main_job.deployed import NAMESPACE, Deployed
from tests.cluster.main_job.test_head import Probe, probing
from tests.cluster.main_job.test_up import in_time
from tests.guarantees.fixtures import Measured

SECONDS = 60
"""From the new head's readiness to an answer."""
MOST = 90
"""From the loss to an answer, on a machine with free cores."""
LONGEST = 600
SETTLED_SECONDS = 15


def test_a_lost_head_gets_its_applications_back_and_up_is_true(
    serving: Deployed, user: Client, kubectl: Kubectl, measured: Measured
) -> None:
    (lost,) = serving.pods("headgroup")
    workers = serving.pods("rtx-3090")
    rows.store(kubectl)
    began = time.monotonic()

    def new_head_is_ready() -> bool:
        found = serving.get("pods", "-l", "ray.io/node-type=head")["items"]
        return any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for pod in found
            if pod["metadata"]["name"] != lost and "deletionTimestamp" not in pod["metadata"]
            for condition in pod["status"].get("conditions", [])
        )

    def answers() -> bool:
        try:
            return bool(user.chat())
        except httpx.HTTPError:
            return False

    def sent() -> int:
        (head,) = serving.pods("headgroup")
        log = kubectl.run("-n", NAMESPACE, "logs", head, "-c", "restore")
        return log.count("those of the last up were sent")

    # A worker answers until it has noticed that the cluster is a new one, and is restarted.
    probe = Probe(user)
    with probing(probe):
        until(new_head_is_ready)
        ready = time.monotonic()
        until(lambda: sent() > 0)
        until(lambda: serving.pods("rtx-3090") != workers)
        until(answers)
        # What answers now is what was sent.
        time.sleep(SETTLED_SECONDS)
        until(answers)
    failed = probe.last_failure if probe.failures else ready
    measured("head.store-lost.ready", failed - ready, "s", at_most=SECONDS)
    measured("head.store-lost.total", failed - began, "s", at_most=MOST)
    measured("head.store-lost.failed", len(probe.failures), "requests", of=probe.asked)
    assert in_time(failed - ready, SECONDS)
    assert sent() == 1

    again = serving.up("--expect-no-changes")
    assert again.changes == {}, "the applications are there, and nothing else was lost"
    assert serving.stack.outputs()["models"]["tiny"]["status"] == "RUNNING"
    # The state gets the new head's pod, which later tests would otherwise see as a change.
    serving.up("--refresh")


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(1)
