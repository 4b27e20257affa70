"""Which changes of the list of GPU groups are refused. Under the real engine: engine/."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.providers.common.properties import UNKNOWN
from infra.providers.group_order import CLUSTER, GroupOrderError, GroupOrderProvider, problems
from tests.infra.providers.calls import call
from tests.infra.providers.common.fake_api_server import CONTEXT, FakeApi, Request, refused

PROVIDER = GroupOrderProvider()
PLACE = {"context": CONTEXT, "namespace": "llm", "cluster": "ray"}
SERVICE = "/apis/ray.io/v1/namespaces/llm/rayservices/ray"


def props(*names: str, delivery: str = "rayService", **changes: Any) -> dict[str, Any]:
    return {**PLACE, "delivery": delivery, "names": list(names), "applied": True, **changes}


def reasons(olds: dict[str, Any], news: dict[str, Any]) -> list[str]:
    result = PROVIDER.check(olds, news)
    assert result.inputs == news
    return [failure.reason for failure in result.failures]


@dataclass
class FakeService(FakeApi):
    """A RayService with these groups; None: there is none."""

    live: list[str] | None = field(default=None)
    deleting: bool = False

    def answer(self, request: Request) -> tuple[int, Any]:
        if request.path != SERVICE or self.live is None:
            return refused(404, "NotFound", "not found")
        groups = [{"groupName": name} for name in self.live]
        meta = {"deletionTimestamp": "2026-11-27T00:00:00Z"} if self.deleting else {}
        spec = {"rayClusterConfig": {"workerGroupSpecs": groups}}
        return 200, {"metadata": meta, "spec": spec}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    with FakeService() as fake:
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path)))
        yield fake


def test_a_first_deployment_has_no_order_to_keep() -> None:
    assert reasons({}, props("b", "a")) == []


def test_a_list_that_only_grows_at_the_end_is_accepted() -> None:
    assert reasons(props("a"), props("a")) == []
    assert reasons(props("a"), props("a", "b")) == []


def test_a_list_that_breaks_the_order_is_refused_with_both_lists() -> None:
    (inserted,) = reasons(props("a", "b"), props("a", "c", "b"))
    assert "rayline:gpuGroups is a, c, b; it was a, b." in inserted
    (removed,) = reasons(props("a", "b"), props("a"))
    assert "lacks 'b'" in removed


@pytest.mark.parametrize("key", CLUSTER)
def test_a_different_cluster_has_its_own_order(key: str) -> None:
    assert reasons(props("a", "b", **{key: "other"}), props("b", "a")) == []


@pytest.mark.parametrize("names", [("b", "a"), ("b",), ("c", "b"), ("a", "c", "b")])
def test_a_raycluster_has_no_order(names: tuple[str, ...], api: FakeService) -> None:
    """Also with the state of rayline 0.1.0, which kept the disabled groups too."""
    old = {**props("a", "b", delivery="restApi"), "removes_disabled": True, "disabled": ["b"]}
    del old["applied"]
    new = props(*names, delivery="restApi", applied=False)
    assert reasons(old, new) == []
    assert PROVIDER.update(call(), "id", old, new) == new
    assert api.requests == []


def test_a_list_that_is_not_known_yet_is_not_compared() -> None:
    assert reasons(props("a", "b"), props("b", names=UNKNOWN)) == []


def test_what_was_intended_but_not_applied_is_no_order(api: FakeService) -> None:
    """An `up` with a third group has failed before it changed the RayService."""
    api.live = ["a", "b"]
    intended, back = (props(*names, applied=False) for names in (("a", "b", "c"), ("a", "b")))
    assert PROVIDER.update(call(), "id", back, intended) == intended
    assert reasons(intended, back) == []
    assert reasons(props("a", "b"), props("a", "b")) == [], "the applied one has not changed"
    assert PROVIDER.update(call(), "id", intended, back) == back


def test_the_live_rayservice_decides_before_anything_is_touched(api: FakeService) -> None:
    """Also where the state knows nothing: another machine's state, or one of rayline 0.1.0."""
    api.live = ["a", "b"]
    with pytest.raises(GroupOrderError, match="lacks 'b'"):
        PROVIDER.create(call(), props("a", applied=False))
    with pytest.raises(GroupOrderError, match="is b, a; it was a, b"):
        PROVIDER.update(call(), "id", props("a", "b"), props("b", "a", applied=False))
    api.live = None
    assert PROVIDER.create(call(), props("a", applied=False)).outs["names"] == ["a"]


def test_a_rayservice_that_a_killed_removal_took_is_not_taken_for_applied(
    api: FakeService,
) -> None:
    """Pulumi finds it unchanged in its state, and would end with success."""
    with pytest.raises(GroupOrderError, match="Type: pulumi up --refresh"):
        PROVIDER.create(call(), props("a"))
    api.live, api.deleting = ["a"], True
    with pytest.raises(GroupOrderError, match="Type: pulumi up --refresh"):
        PROVIDER.create(call(), props("a"))
    api.deleting = False
    assert PROVIDER.create(call(), props("a")).outs == props("a")


def test_a_change_is_stored_in_the_state(api: FakeService) -> None:
    api.live = ["a"]
    old = props("a")
    assert PROVIDER.diff("id", old, props("a")).changes is False
    assert PROVIDER.diff("id", old, props("a", context="other")).changes is True
    assert PROVIDER.diff("id", old, props("a", "b")).changes is True
    assert PROVIDER.update(call(), "id", old, props("a", "b")) == props("a", "b")
    assert PROVIDER.create(call(), old).outs == old


def test_the_state_of_an_older_rayline_is_not_a_change() -> None:
    old = {**props("a", delivery="restApi"), "removes_disabled": True, "disabled": []}
    del old["applied"]
    new = props("a", delivery="restApi", applied=False)
    assert PROVIDER.diff("id", old, new).changes is False


@pytest.mark.parametrize(
    ("before", "fits"),
    [
        ([], True),
        (["big"], True),
        (["big", "spare"], True),
        (["spare"], False),
        (["spare", "big"], False),
        (["big", "gone"], False),
        (["gone", "big"], False),
    ],
)
def test_groups_are_appended_only(before: list[str], fits: bool) -> None:
    found = problems(before=before, now=["big", "spare"])
    assert [p.key for p in found] == ([] if fits else ["rayline:gpuGroups"])
    assert all(p.severity == "error" for p in found)


def test_an_inserted_group_is_refused_with_its_proper_place() -> None:
    found = problems(before=["a", "b"], now=["a", "new", "b"])
    assert [str(p) for p in found] == [
        "rayline:gpuGroups is a, new, b; it was a, b. It must become a, b, new: KubeRay rebuilds "
        "the cluster unless new groups are appended and the others keep their order. "
        "Type: pulumi config set --path 'rayline:gpuGroups[2]' '<the new group>'"
    ]


def test_a_removed_group_is_refused_with_a_remedy() -> None:
    found = problems(before=["a", "b"], now=["a"])
    assert [p.message for p in found] == [
        "lacks 'b', without which KubeRay rebuilds the cluster of a RayService. Put it back as "
        "number 2 with `enabled: false`."
    ]
