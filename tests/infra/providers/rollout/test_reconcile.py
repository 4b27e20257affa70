"""Which pods are replaced, in which order, and the errors when they do not start."""

import random
from typing import Any

import pytest

from infra.providers.common.api_server import KubeError
from infra.providers.rollout.errors import (
    RolloutError,
    RolloutFailedError,
    RolloutTimeoutError,
)
from tests.infra.providers.rollout.conftest import Bench
from tests.infra.providers.rollout.kuberay import NOT_FOUND, groups

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
            fake.trouble = {"b": NOT_FOUND}
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
