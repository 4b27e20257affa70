"""Which changes of the list of GPU groups are refused. Under the real engine: engine/."""

from typing import Any

import pytest

from infra.providers.common.properties import UNKNOWN
from infra.providers.group_order import CLUSTER, GroupOrderProvider, problems
from tests.infra.providers.calls import call

PROVIDER = GroupOrderProvider()
IDENTITY = {"context": "a", "namespace": "llm", "cluster": "ray", "delivery": "restApi"}


def props(*names: str, **changes: Any) -> dict[str, Any]:
    return {
        **IDENTITY,
        "removes_disabled": True,
        "names": list(names),
        "disabled": [],
        **changes,
    }


def reasons(olds: dict[str, Any], news: dict[str, Any]) -> list[str]:
    result = PROVIDER.check(olds, news)
    assert result.inputs == news
    return [failure.reason for failure in result.failures]


def test_a_first_deployment_has_no_order_to_keep() -> None:
    assert reasons({}, props("b", "a")) == []


def test_a_list_that_only_grows_at_the_end_is_accepted() -> None:
    assert reasons(props("a"), props("a")) == []
    assert reasons(props("a"), props("a", "b")) == []
    assert reasons(props("a", "b", disabled=["b"]), props("a")) == []


def test_a_list_that_breaks_the_order_is_refused_with_both_lists() -> None:
    (inserted,) = reasons(props("a", "b"), props("a", "c", "b"))
    assert "rayline:gpuGroups is a, c, b; it was a, b." in inserted
    (removed,) = reasons(props("a", "b"), props("a"))
    assert "lacks 'b'" in removed


@pytest.mark.parametrize("key", CLUSTER)
def test_a_different_cluster_has_its_own_order(key: str) -> None:
    assert reasons(props("a", "b"), props("b", "a", **{key: "rayService"})) == []


def test_a_list_that_is_not_known_yet_is_not_compared() -> None:
    assert reasons(props("a", "b"), props("b", names=UNKNOWN)) == []
    assert reasons(props("a", "b"), props("b", disabled=UNKNOWN)) == []


def test_a_change_is_stored_in_the_state() -> None:
    old = props("a")
    assert PROVIDER.diff("id", old, props("a")).changes is False
    for news in (props("a", "b"), props("a", disabled=["a"]), props("a", context="other")):
        assert PROVIDER.diff("id", old, news).changes is True
        assert PROVIDER.update(call(), "id", old, news) == news
    assert PROVIDER.create(call(), old).outs == old


@pytest.mark.parametrize(
    ("before", "disabled", "removes_disabled", "fits"),
    [
        ([], [], True, True),
        (["big"], [], True, True),
        (["big", "spare"], [], False, True),
        (["spare"], [], True, False),
        (["spare", "big"], [], True, False),
        (["big", "gone"], [], True, False),
        (["big", "gone"], ["gone"], True, True),
        (["gone", "big"], ["gone"], True, True),
        (["big", "gone"], ["gone"], False, False),
    ],
)
def test_groups_are_appended_only(
    before: list[str], disabled: list[str], removes_disabled: bool, fits: bool
) -> None:
    found = problems(
        before=before,
        disabled_before=disabled,
        now=["big", "spare"],
        removes_disabled=removes_disabled,
    )
    assert [p.key for p in found] == ([] if fits else ["rayline:gpuGroups"])
    assert all(p.severity == "error" for p in found)


def test_an_inserted_group_is_refused_with_its_proper_place() -> None:
    found = problems(
        before=["a", "b"], disabled_before=[], now=["a", "new", "b"], removes_disabled=True
    )
    assert [str(p) for p in found] == [
        "rayline:gpuGroups is a, new, b; it was a, b. It must become a, b, new: KubeRay rebuilds "
        "the cluster unless new groups are appended and the others keep their order. "
        "Type: pulumi config set --path 'rayline:gpuGroups[2]' '<the new group>'"
    ]


@pytest.mark.parametrize(
    ("removes_disabled", "way"),
    [
        (True, "with `enabled: false`, run `pulumi up`, then remove it"),
        (False, "with `enabled: false`"),
    ],
)
def test_a_removed_group_is_refused_with_a_remedy(removes_disabled: bool, way: str) -> None:
    found = problems(
        before=["a", "b"], disabled_before=[], now=["a"], removes_disabled=removes_disabled
    )
    assert [p.message for p in found] == [
        f"lacks 'b', whose pods KubeRay would leave behind. Put it back as number 2 {way}."
    ]
