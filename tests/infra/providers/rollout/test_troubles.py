"""Pods that do not start: what is waited for, what ends the wait, and what the user sees."""

from typing import Any

import pytest

from infra.providers.rollout.errors import RolloutFailedError, RolloutTimeoutError
from tests.infra.providers.rollout.conftest import Bench
from tests.infra.providers.rollout.kuberay import NOT_FOUND, groups, waiting

CRASHING = waiting(
    "CrashLoopBackOff",
    lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}},
)
NO_NODE = {
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu",
        }
    ]
}
NO_REGISTRY = waiting("ErrImagePull", "dial tcp 10.0.0.1:443: connect: connection refused")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (NOT_FOUND, "ErrImagePull: container ray: registry.example.com/a: not found"),
        (CRASHING, "OOMKilled, exit code 137"),
    ],
)
def test_pods_that_cannot_start_fail_early_with_the_cause(
    bench: Bench, status: dict[str, Any], message: str
) -> None:
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 1)))
    bench.fake.trouble = {"a": status}
    with pytest.raises(RolloutFailedError, match=message) as error:
        bench.run(bench.fake.templates)
    assert "kubectl --context fake -n llm describe pods" in str(error.value)
    assert 50 < bench.fake.clock.now() < 150


@pytest.mark.parametrize(
    ("status", "message", "advice"),
    [
        (NO_NODE, "3 Insufficient nvidia.com/gpu", "if no autoscaler adds one, free or add"),
        (NO_REGISTRY, "connection refused", "can the node reach it"),
    ],
    ids=["no node", "no registry"],
)
def test_what_may_mend_is_waited_for_and_shown(
    bench: Bench, status: dict[str, Any], message: str, advice: str
) -> None:
    """Until the deadline that is configured, and not a fixed time."""
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 1)))
    bench.fake.starting = 10**6
    bench.fake.trouble = {"a": status}
    for deadline in (300, 1800):
        began = bench.fake.clock.now()
        bench.lines.clear()
        bench.fake.pods.clear()
        with pytest.raises(RolloutTimeoutError, match="podsReadySeconds") as error:
            bench.run(bench.fake.templates, deadline=deadline)
        assert bench.fake.clock.now() - began >= deadline
        assert message in str(error.value)
        assert advice in str(error.value)
        early = [line for line in bench.lines[:5] if message in line]
        assert early
        assert advice not in early[0], "only after a minute"


def test_a_node_that_an_autoscaler_adds_after_ten_minutes_is_in_time(bench: Bench) -> None:
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 1)))
    bench.fake.starting = 300  # requests, one every two seconds
    bench.fake.trouble = {"a": NO_NODE}
    sleep = bench.fake.clock.sleep

    def later(seconds: float) -> None:
        sleep(seconds)
        if bench.fake.clock.now() > 600:
            bench.fake.trouble.clear()

    bench.fake.clock.sleep = later  # type: ignore[method-assign]
    bench.run(bench.fake.templates)
    assert 600 < bench.fake.clock.now() < 700


def not_made(message: str, reason: str = "FailedToCreateWorkerPod") -> dict[str, Any]:
    return {
        "kind": "RayCluster",
        "reason": reason,
        "message": message,
        "lastTimestamp": "2026-11-24T00:00:11Z",
    }


@pytest.mark.parametrize(
    ("message", "waits"),
    [
        ('pods "a" is forbidden: exceeded quota: gpus, requested: 1, used: 4, limited: 4', True),
        ("failed calling webhook: connection refused", True),
        ('admission webhook "policy.example.com" denied the request: no owner', False),
        ('pods "a" is forbidden: violates PodSecurity "restricted:latest"', False),
    ],
)
def test_pods_that_kuberay_cannot_make_are_explained(
    bench: Bench, message: str, waits: bool
) -> None:
    """There is no pod whose status could tell."""
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 0)))
    bench.fake.events = [not_made(message)]
    wanted = groups(head=("h1", 1), a=("a1", 1))
    with pytest.raises(RolloutTimeoutError if waits else RolloutFailedError) as error:
        bench.run(wanted, deadline=900)
    assert message in str(error.value)
    assert (bench.fake.clock.now() >= 900) is waits


def test_an_earlier_refusal_does_not_count_while_pods_let_their_streams_end(bench: Bench) -> None:
    """KubeRay makes no pod before they are gone."""
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 1)), running=True)
    bench.fake.events = [not_made("violates PodSecurity")]
    for pod in bench.fake.pods.values():
        pod.leaving = 200 if pod.group == "a" else -1
    bench.run(bench.fake.templates)
    assert bench.fake.clock.now() > 300


def test_an_evicted_pod_is_named_while_kuberay_makes_another(bench: Bench) -> None:
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 1)))
    bench.fake.trouble = {
        "a": {"phase": "Failed", "reason": "Evicted", "message": "low on resource: memory"}
    }
    bench.fake.starting = 10**6
    with pytest.raises(RolloutTimeoutError, match="Evicted: low on resource: memory"):
        bench.run(bench.fake.templates, deadline=200)


def test_a_pod_on_a_lost_node_is_named_with_what_to_type(bench: Bench) -> None:
    """It stays Terminating, and KubeRay makes no second head beside it."""
    bench.fake.wants(groups(head=("h1", 1)), running=True)
    (head,) = bench.fake.pods.values()
    head.leaving = 10**6
    with pytest.raises(RolloutTimeoutError) as error:
        bench.run(bench.fake.templates, deadline=300)
    assert "1 leaving" in str(error.value)
    assert "kubectl --context fake -n llm get node node-1" in str(error.value)
    assert "delete pod head-0 --force" in str(error.value)
    assert not [line for line in bench.lines[:3] if "--force" in line], "only after its grace"
