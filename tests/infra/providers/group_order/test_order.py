"""What may become of a list of GPU groups."""

import pytest

from infra.providers.group_order.order import problems


@pytest.mark.parametrize(
    ("before", "disabled", "delivery", "fits"),
    [
        ([], [], "restApi", True),
        (["big"], [], "restApi", True),
        (["big", "spare"], [], "rayService", True),
        (["spare"], [], "restApi", False),
        (["spare", "big"], [], "restApi", False),
        (["big", "gone"], [], "restApi", False),
        (["big", "gone"], ["gone"], "restApi", True),
        (["gone", "big"], ["gone"], "restApi", True),
        (["big", "gone"], ["gone"], "rayService", False),
    ],
)
def test_groups_are_appended_only(
    before: list[str], disabled: list[str], delivery: str, fits: bool
) -> None:
    found = problems(
        before=before, disabled_before=disabled, now=["big", "spare"], delivery=delivery
    )
    assert [p.key for p in found] == ([] if fits else ["rayline:gpuGroups"])
    assert all(p.severity == "error" for p in found)


def test_an_inserted_group_is_told_its_place() -> None:
    found = problems(
        before=["a", "b"], disabled_before=[], now=["a", "new", "b"], delivery="restApi"
    )
    assert [str(p) for p in found] == [
        "rayline:gpuGroups is a, new, b; it was a, b. Groups keep their order and new ones go to "
        "the end, or KubeRay rebuilds the cluster: a, b, new. "
        "Type: pulumi config set --path 'rayline:gpuGroups[2]' '<the new group>'"
    ]


@pytest.mark.parametrize(
    ("delivery", "way"),
    [
        ("restApi", "with `enabled: false`, run `pulumi up`, then remove it"),
        ("rayService", "with `enabled: false`"),
    ],
)
def test_a_removed_group_has_a_way_out(delivery: str, way: str) -> None:
    found = problems(before=["a", "b"], disabled_before=[], now=["a"], delivery=delivery)
    assert [p.message for p in found] == [
        f"lacks 'b', whose pods KubeRay would leave behind. Put it back as number 2 {way}."
    ]
