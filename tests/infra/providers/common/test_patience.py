"""How long each trouble may last, in the words of Kubernetes, containerd and KubeRay."""

import math

import pytest

from infra.providers.common import patience
from infra.providers.common.patience import Patience
from infra.providers.common.pods import Trouble
from infra.providers.common.waiting import Waiting
from tests.infra.providers.common.fake_api_server import FakeClock

FOREVER = math.inf


@pytest.mark.parametrize(
    ("kind", "text", "seconds"),
    [
        # The scheduler's messages describe the nodes of this moment: an autoscaler may add others.
        ("Unschedulable", "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", FOREVER),
        (
            "Unschedulable",
            "0/3 nodes are available: 3 node(s) had untolerated taint {a: b}",
            FOREVER,
        ),
        ("Unschedulable", "3 node(s) didn't match Pod's node affinity/selector", FOREVER),
        ("Unschedulable", "no nodes available to schedule pods", FOREVER),
        ("Unschedulable", 'persistentvolumeclaim "cache" not found', FOREVER),
        # A registry that does not answer, and one that has answered.
        ("ErrImagePull", "dial tcp: lookup r.example.com: no such host", FOREVER),
        ("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout", FOREVER),
        ("ErrImagePull", "unexpected status from HEAD request: 503 Service Unavailable", FOREVER),
        ("ImagePullBackOff", 'Back-off pulling image "r/i:1"', FOREVER),
        ("ErrImagePull", "r.example.com/i:1: not found", patience.REFUSED_SECONDS),
        ("ErrImagePull", "pull access denied, repository does not exist", patience.REFUSED_SECONDS),
        ("ErrImagePull", "failed to authorize: 401 Unauthorized", patience.REFUSED_SECONDS),
        ("ErrImagePull", "no match for platform in manifest", patience.REFUSED_SECONDS),
        ("ErrImagePull", "tls: failed to verify certificate: x509: ...", patience.REFUSED_SECONDS),
        (
            "ImagePullBackOff",
            'Back-off pulling image "r/i:1": ErrImagePull: r/i:1: not found',
            patience.REFUSED_SECONDS,
        ),
        ("InvalidImageName", "couldn't parse image name", patience.REFUSED_SECONDS),
        # A Secret that another controller is about to create.
        ("CreateContainerConfigError", 'secret "extra" not found', patience.MISSING_SECONDS),
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root",
            patience.REFUSED_SECONDS,
        ),
        ("RunContainerError", "nvidia-container-cli: no driver", patience.REFUSED_SECONDS),
        ("CrashLoopBackOff", "back-off 10s", patience.CRASH_SECONDS),
        # KubeRay's events, where no pod exists.
        ("FailedToCreateWorkerPod", "is forbidden: exceeded quota: gpus", FOREVER),
        ("FailedToCreateHeadPod", "failed calling webhook: connection refused", FOREVER),
        ("FailedToCreateHeadPod", 'serviceaccount "sa" not found', patience.MISSING_SECONDS),
        ("FailedToCreateWorkerPod", 'webhook "w" denied the request', patience.REFUSED_SECONDS),
        ("FailedToCreateWorkerPod", "violates PodSecurity", patience.REFUSED_SECONDS),
        # The pod's controller replaces it.
        ("Evicted", "The node was low on resource: memory.", FOREVER),
        ("UnexpectedAdmissionError", "Allocate failed due to no healthy devices", FOREVER),
        ("NodeLost", "Node unresponsive", FOREVER),
    ],
)
def test_each_trouble_has_its_patience(kind: str, text: str, seconds: float) -> None:
    assert patience.seconds(Trouble(kind, text)) == seconds


def judge(troubles: list[Trouble | None], step: float = 10.0) -> list[tuple[str, bool]]:
    clock = FakeClock()
    pods = Patience(Waiting(lambda _line: None, clock, 10**6))
    seen = []
    for trouble in troubles:
        verdict = pods.judge("pod", trouble)
        seen.append(("", False) if verdict is None else (verdict.text, verdict.failed))
        clock.sleep(step)
    return seen


def test_the_reason_is_shown_at_once_and_advice_after_a_minute() -> None:
    seen = judge([Trouble("Unschedulable", "3 node(s) had untolerated taint {gpu: }")] * 20)
    assert seen[0][0] == "Unschedulable: 3 node(s) had untolerated taint {gpu: }"
    assert seen[-1][0].startswith(seen[0][0])
    assert "if no autoscaler adds one, compare the taints" in seen[-1][0]
    assert not any(failed for _, failed in seen)


def test_a_trouble_that_ends_starts_anew() -> None:
    crash = Trouble("CrashLoopBackOff", "back-off")
    assert not any(failed for _, failed in judge([crash, crash, None] * 9, step=25))
    assert judge([crash] * 9)[-1][1]


def test_an_older_kubelets_bare_back_off_keeps_the_registrys_answer() -> None:
    refused = Trouble("ErrImagePull", "r/i:1: not found")
    bare = Trouble("ImagePullBackOff", 'container ray: Back-off pulling image "r/i:1"')
    text, failed = judge([refused, *[bare] * 15])[-1]
    assert text == "ErrImagePull: r/i:1: not found"
    assert failed
