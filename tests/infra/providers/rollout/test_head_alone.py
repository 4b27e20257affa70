"""When a changed head is replaced alone: its store is kept, and the workers can go on with it."""

from typing import Any

import pytest

from tests.infra.providers.rollout.conftest import Bench
from tests.infra.providers.rollout.kuberay import groups, stored

BEFORE = groups(head=("h1", 1), a=("a1", 2), b=("b1", 1))
STORE = stored("/data/ray-store/ray-2.60.0")
MEMORY: dict[str, Any] = {}


def deleted(bench: Bench, after: dict[str, Any], old: dict[str, Any], new: dict[str, Any]) -> str:
    """The groups of the deleted pods, in order."""
    bench.fake.head_spec = old
    bench.fake.wants(BEFORE, running=True)
    bench.fake.head_spec = new
    bench.fake.wants(after)
    bench.run(after)
    return " ".join(name.rsplit("-", 1)[0] for name in bench.fake.deleted)


HEAD_ONLY = groups(head=("h2", 1), a=("a1", 2), b=("b1", 1))


def test_a_head_with_the_same_store_is_replaced_alone(bench: Bench) -> None:
    assert deleted(bench, HEAD_ONLY, STORE, STORE) == "head"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (MEMORY, MEMORY),
        (MEMORY, STORE),
        (STORE, MEMORY),
        (STORE, stored("/data/ray-store/ray-2.61.0")),
        (STORE, stored("/data/ray-store/ray-2.60.0", "other")),
    ],
    ids=["none", "switched-on", "switched-off", "another-ray", "another-claim"],
)
def test_a_head_without_it_is_a_new_cluster(
    bench: Bench, old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert sorted(deleted(bench, HEAD_ONLY, old, new).split()) == ["a", "a", "b", "head"]


def test_what_changes_all_templates_restarts_all_together(bench: Bench) -> None:
    """A new image, or a new token, with which neither understands the other."""
    after = groups(head=("h2", 1), a=("a2", 2), b=("b2", 1))
    assert sorted(deleted(bench, after, STORE, STORE).split()) == ["a", "a", "b", "head"]


def test_a_group_that_changed_too_waits_for_the_head(bench: Bench) -> None:
    """Workers that end without a head drain nothing."""
    bench.fake.starting = 6
    after = groups(head=("h2", 1), a=("a2", 2), b=("b1", 1))
    assert deleted(bench, after, STORE, STORE) == "head a a"
    asked = [r for r in bench.fake.requests if r.path.endswith("/pods") or r.method == "DELETE"]
    first, second, _ = (i for i, request in enumerate(asked) if request.method == "DELETE")
    assert second - first > bench.fake.starting
