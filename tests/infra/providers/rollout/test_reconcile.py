"""Which pods are replaced, in which order, and the errors when they do not start."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.waiting import Waiting
from infra.providers.rollout.cluster import RayClusterPods
from infra.providers.rollout.pods import Observed
from infra.providers.rollout.reconcile import (
    Rollout,
    RolloutError,
    RolloutFailedError,
    RolloutTimeoutError,
)
from tests.infra.providers.common.fake_api_server import CONTEXT
from tests.infra.providers.rollout.kuberay import (
    CLUSTER,
    NAMESPACE,
    FakeKubeRay,
    FakePod,
    groups,
)


class Bench:
    """One fake, and rollouts on it."""

    def __init__(self, fake: FakeKubeRay, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fake = fake
        self.lines: list[str] = []
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(folder)))
        self.kube = KubeClient(CONTEXT)

    def run(
        self, wanted: dict[str, Any], upgrade: str = "recreate", deadline: float = 1800
    ) -> Observed:
        waiting = Waiting(self.lines.append, self.fake.clock, deadline)
        cluster = RayClusterPods(self.kube, NAMESPACE, CLUSTER)
        work = Rollout(cluster, wanted, upgrade, waiting)
        work.run()
        return work.observed


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with FakeKubeRay() as fake:
        made = Bench(fake, tmp_path, monkeypatch)
        with made.kube:
            yield made


BEFORE = groups(head=("h1", 1), rtx_3090=("a1", 2), rtx_3060=("b1", 0))


def test_a_new_cluster_is_waited_for_and_nothing_is_deleted(bench: Bench) -> None:
    bench.fake.wants(BEFORE)
    work = bench.run(BEFORE)
    assert work.hashes == {"head": "h1", "rtx-3090": "a1"}
    assert work.outdated == []
    assert bench.fake.deleted == []
    assert any("rtx-3090: 0 of 2 ready, starting, 0 s of 1800 s" in line for line in bench.lines)


def test_a_restart_is_a_new_incarnation_of_a_head_and_not_of_a_worker(bench: Bench) -> None:
    bench.fake.wants(BEFORE, running=True)
    first = bench.run(BEFORE).incarnations
    assert bench.run(BEFORE).incarnations == first
    assert {name: len(seen) for name, seen in first.items()} == {"head": 1, "rtx-3090": 2}
    for pod in bench.fake.pods.values():
        pod.restarts = 1
    again = bench.run(BEFORE).incarnations
    assert again["rtx-3090"] == first["rtx-3090"]
    assert again["head"] != first["head"]


def test_matching_pods_are_left_alone(bench: Bench) -> None:
    bench.fake.wants(BEFORE, running=True)
    bench.run(BEFORE)
    assert bench.fake.deleted == []
    assert bench.fake.clock.now() == 0


def test_one_groups_change_restarts_only_its_pods(bench: Bench) -> None:
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 2), b=("b1", 1)), running=True)
    after = groups(head=("h1", 1), a=("a2", 2), b=("b1", 1))
    bench.fake.wants(after)
    bench.run(after)
    assert {name.rsplit("-", 1)[0] for name in bench.fake.deleted} == {"a"}
    assert len(bench.fake.deleted) == 2


def test_groups_go_one_after_another(bench: Bench) -> None:
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 1), b=("b1", 1)), running=True)
    after = groups(head=("h1", 1), a=("a2", 1), b=("b2", 1))
    bench.fake.wants(after)
    bench.run(after)
    assert [name[0] for name in bench.fake.deleted] == ["a", "b"]
    asked = [r for r in bench.fake.requests if r.path.endswith("/pods") or r.method == "DELETE"]
    deletes = [i for i, request in enumerate(asked) if request.method == "DELETE"]
    assert deletes[1] - deletes[0] > 2


def test_enabling_a_group_touches_no_pod_of_others(bench: Bench) -> None:
    bench.fake.wants(BEFORE, running=True)
    after = groups(head=("h1", 1), rtx_3090=("a1", 2), rtx_3060=("b1", 1))
    bench.fake.wants(after)
    assert bench.run(after).hashes["rtx-3060"] == "b1"
    assert bench.fake.deleted == []


def test_a_changed_head_restarts_everything_at_once(bench: Bench) -> None:
    bench.fake.wants(BEFORE, running=True)
    after = groups(head=("h2", 1), rtx_3090=("a1", 2), rtx_3060=("b1", 0))
    bench.fake.wants(after)
    bench.run(after)
    assert len(bench.fake.deleted) == 3


def test_pods_of_a_stale_template_are_deleted_again_and_not_forever(bench: Bench) -> None:
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 1)), running=True)
    after = groups(head=("h1", 1), a=("a2", 1))
    bench.fake.wants(after)
    bench.fake.stale = {"a": ["a1", "a1"]}
    assert bench.run(after).hashes["a"] == "a2"
    assert len(bench.fake.deleted) == 3
    again = groups(head=("h1", 1), a=("a3", 1))
    bench.fake.wants(again)
    bench.fake.stale = {"a": ["a2"] * 99}
    with pytest.raises(RolloutError, match=r"old template 5 times.*rollout restart"):
        bench.run(again)


def test_nothing_is_deleted_while_the_raycluster_lacks_the_hash(bench: Bench) -> None:
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 1)), running=True)
    with pytest.raises(RolloutError, match="templates of a in the RayCluster ray are not"):
        bench.run(groups(head=("h1", 1), a=("a2", 1)))
    assert bench.fake.deleted == []


def test_manual_leaves_outdated_pods_and_names_them(bench: Bench) -> None:
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 1)), running=True)
    after = groups(head=("h1", 1), a=("a2", 2))
    bench.fake.wants(after)
    work = bench.run(after, "manual")
    assert bench.fake.deleted == []
    assert len(work.outdated) == 1
    assert work.hashes["a"] == "a1,a2"


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    state = {"state": {"waiting": {"reason": reason, "message": message}}}
    return {"containerStatuses": [{"name": "ray", **state, **more}]}


WAITING = waiting("ErrImagePull", "registry.example.com/a: not found")
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
        (WAITING, "ErrImagePull: container ray: registry.example.com/a: not found"),
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


@pytest.mark.parametrize("upgrade", ["recreate", "manual"])
def test_pods_of_groups_that_are_gone_are_deleted(bench: Bench, upgrade: str) -> None:
    """KubeRay leaves them running, also when the group was renamed, disabled in an `up` that
    failed, or removed together with others."""
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 2), b=("b1", 1)), running=True)
    after = groups(head=("h1", 1), b=("b1", 1), renamed=("a1", 2))
    bench.fake.wants(after)
    work = bench.run(after, upgrade)
    assert {name.rsplit("-", 1)[0] for name in bench.fake.deleted} == {"a"}
    assert len(bench.fake.deleted) == 2
    assert work.outdated == []
    assert any("deleting 2 pods of groups that are gone: a" in line for line in bench.lines)


def test_a_reordered_list_touches_no_pod(bench: Bench) -> None:
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 2), b=("b1", 1)), running=True)
    after = groups(head=("h1", 1), b=("b1", 1), a=("a1", 2))
    bench.fake.wants(after)
    bench.run(after)
    assert bench.fake.deleted == []


def test_only_workers_of_groups_that_the_raycluster_lacks_are_deleted(bench: Bench) -> None:
    """Not those of a group that someone else added to it, nor a pod that is no Ray node."""
    bench.fake.wants(groups(head=("h1", 1), a=("a1", 1), theirs=("x", 1)), running=True)
    bench.fake.pods["cleanup"] = FakePod("", "")
    work = bench.run(groups(head=("h1", 1), a=("a1", 1)))
    assert bench.fake.deleted == []
    assert work.outdated == []


@pytest.mark.parametrize(("at", "fails"), [("2026-11-24T00:00:11Z", True), ("2026-11-23", False)])
def test_a_refusal_by_kuberay_counts_only_for_this_spec(bench: Bench, at: str, fails: bool) -> None:
    event = {"kind": "RayCluster", "reason": "InvalidRayClusterSpec", "message": "bad group"}
    bench.fake.events = [{**event, "lastTimestamp": at}]
    bench.fake.wants(groups(head=("h1", 1)))
    if fails:
        with pytest.raises(RolloutFailedError, match="bad group"):
            bench.run(bench.fake.templates)
    else:
        bench.run(bench.fake.templates)


def test_events_show_why_a_pod_is_slow(bench: Bench) -> None:
    bench.fake.events = [{"kind": "Pod", "reason": "Pulling", "lastTimestamp": "1"}]
    bench.fake.wants(groups(head=("h1", 1)))
    bench.run(bench.fake.templates)
    assert any("head: 0 of 1 ready, pulling image" in line for line in bench.lines)


def test_deadline_absence_and_passing_errors(bench: Bench) -> None:
    bench.fake.wants(groups(head=("h1", 1)))
    bench.fake.errors = 3
    bench.run(bench.fake.templates)
    bench.fake.starting = 10**6
    bench.fake.pods = {}
    with pytest.raises(RolloutTimeoutError, match=r"head: 0 of 1 ready.*podsReadySeconds"):
        bench.run(bench.fake.templates, deadline=30)
    bench.fake.absent = True
    with pytest.raises(RolloutError, match="there is no RayCluster ray"):
        bench.run(bench.fake.templates)


def test_a_raycluster_that_a_killed_removal_took_is_named_with_what_to_type(bench: Bench) -> None:
    """Pulumi finds it unchanged in its state."""
    bench.fake.wants(groups(head=("h1", 1)), running=True)
    bench.fake.removing = 10
    with pytest.raises(RolloutError, match="type: pulumi up --refresh"):
        bench.run(bench.fake.templates)
    assert any("the RayCluster ray is being deleted" in line for line in bench.lines)
    assert bench.fake.deleted == []


def test_seeded_rollouts_end_right_or_with_a_named_error(bench: Bench) -> None:
    """100 runs: success means that every pod carries its group's hash."""
    succeeded = 0
    for seed in range(100):
        pick = random.Random(seed)
        fake = bench.fake
        fake.pods, fake.deleted, fake.requests, fake.trouble, fake.stale = {}, [], [], {}, {}
        names = ("head", "a", "b")
        before: dict[str, dict[str, Any]] = {
            n: {"hash": pick.choice("xy"), "replicas": 1} for n in names
        }
        fake.wants(before, running=True)
        after: dict[str, dict[str, Any]] = {
            n: {"hash": pick.choice("xy"), "replicas": 1 if n == "head" else pick.randrange(4)}
            for n in (*names[: pick.choice((2, 3))], *pick.choice(((), ("c",))))
        }
        fake.wants(after)
        fake.errors = pick.randrange(4)
        fake.stale = {"a": ["x"] * pick.randrange(8)}
        if seed % 4 == 0:
            fake.trouble = {"b": WAITING}
        began = fake.clock.now()
        try:
            work = bench.run(after, deadline=600)
        except (RolloutError, KubeError) as error:
            text = str(error)
            assert text
        else:
            succeeded += 1
            present = [pod for pod in fake.pods.values() if pod.leaving < 0]
            for name, group in after.items():
                runs = [pod.hash for pod in present if pod.group == name]
                assert runs == [group["hash"]] * group["replicas"], f"seed {seed}"
            assert {pod.group for pod in present} <= set(after), f"seed {seed}"
            assert work.outdated == []
        assert fake.clock.now() - began <= 610
    assert 40 < succeeded < 100
