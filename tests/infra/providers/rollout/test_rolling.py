"""Workers of a model with a second replica are replaced one after another, so that it answers."""

from typing import Any

import pytest

from infra.providers.rollout.errors import RolloutFailedError, RolloutTimeoutError
from infra.providers.rollout.pods import Pod, parse
from infra.providers.rollout.rolling import Replicas, replaceable
from tests.infra.providers.rollout.conftest import Bench
from tests.infra.providers.rollout.kuberay import groups, stored

STORE = stored("/data/ray-store/ray-2.60.0")


def wanted(version: int, a: int = 2, b: int = 1, keeps: tuple[str, ...] = ("m",)) -> dict[str, Any]:
    """The head and two groups, of which `a` has models that must not stop."""
    found = groups(head=(f"h{version}", 1), a=(f"a{version}", a), b=(f"b{version}", b))
    found["a"]["keeps"] = list(keeps)
    return found


def running(bench: Bench, replicas: int = 2, workers: int = 2) -> None:
    bench.fake.head_spec = STORE
    bench.fake.models = {"m": ("a", replicas), "other": ("b", 1)}
    bench.fake.wants(wanted(1, workers), running=True)
    bench.fake.wants(wanted(2, workers))


def order(bench: Bench) -> str:
    return " ".join(name.rsplit("-", 1)[0] for name in bench.fake.deleted)


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_a_new_image_replaces_the_head_then_one_worker_after_another(
    bench: Bench, workers: int
) -> None:
    running(bench, workers, workers)
    bench.run(wanted(2, a=workers))
    assert order(bench) == " ".join(["head", *["a"] * workers, "b"])
    assert bench.fake.least == {"m": workers - 1, "other": 0}


def test_without_a_second_replica_all_are_replaced_at_once(bench: Bench) -> None:
    running(bench)
    after = wanted(2, keeps=())
    bench.fake.wants(after)
    bench.run(after)
    assert sorted(order(bench).split()) == ["a", "a", "b", "head"]


def test_a_new_token_replaces_all_at_once(bench: Bench) -> None:
    """The workers of the old token and the head of the new one refuse each other."""
    running(bench)
    bench.fake.head_annotations = {"rayline.dev/ray-token-version": "2"}
    bench.run(wanted(2))
    assert sorted(order(bench).split()) == ["a", "a", "b", "head"]


def test_a_free_worker_is_replaced_first(bench: Bench) -> None:
    running(bench, 2, 3)
    pods = [name for name in bench.fake.pods if name.startswith("a-")]
    bench.run(wanted(2, a=3))
    assert bench.fake.deleted[1] == pods[2]
    assert bench.fake.least["m"] >= 1


def test_a_broken_image_stops_after_the_first_worker(bench: Bench) -> None:
    running(bench)
    bench.fake.broken = {"a2"}
    with pytest.raises(RolloutFailedError, match=r"m does not run.*no such layer.*1 of 2 replicas"):
        bench.run(wanted(2))
    assert order(bench) == "head a"
    assert bench.fake.least["m"] == 1
    # The corrected one finds a place that was replaced already, and the rest goes on.
    bench.fake.broken = set()
    bench.run(wanted(2))
    assert order(bench) == "head a a b"


def test_while_ray_does_not_answer_no_worker_is_deleted(bench: Bench) -> None:
    running(bench)
    bench.fake.silent = 10**6
    with pytest.raises(RolloutTimeoutError, match="nobody knows which replicas run"):
        bench.run(wanted(2))
    assert order(bench) == "head"
    bench.fake.silent = 5
    bench.run(wanted(2))
    assert bench.fake.least["m"] == 1


def test_workers_that_do_not_run_are_replaced_without_asking(bench: Bench) -> None:
    running(bench)
    for pod in bench.fake.pods.values():
        if pod.group == "a":
            pod.age = -500
    bench.fake.silent = 10**6
    after = wanted(2)
    after["head"]["hash"] = "h1"
    bench.fake.wants(after)
    bench.run(after)
    assert order(bench) == "a a b"


def pod(name: str) -> Pod:
    return parse({"metadata": {"name": name}, "status": {"podIP": name}})


@pytest.mark.parametrize(
    ("addresses", "copies", "patient", "found"),
    [
        ("x y", 2, True, "x"),
        ("y", 2, True, "x"),
        ("x", 2, True, None),
        ("", 2, True, "x"),
        ("x y", 3, True, None),
        ("x y", 3, False, "x"),
        ("x x", 2, True, None),
        ("x x y", 3, True, "x"),
        ("x gone", 2, False, None),
    ],
)
def test_the_invariant(addresses: str, copies: int, patient: bool, found: str | None) -> None:
    """`x` is outdated, `y` is not, and `gone` is a pod that Ray still lists."""
    replicas = {"m": Replicas(tuple(addresses.split()), copies, "")}
    made = replaceable([pod("x")], [pod("x"), pod("y")], replicas, ["m"], patient=patient)
    assert (made.name if made else None) == found
