"""Groups that were removed, renamed or reordered."""

import pytest

from tests.infra.providers.rollout.conftest import Bench
from tests.infra.providers.rollout.kuberay import FakePod, groups


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
