"""The level of the namespace admits the pods, and what lowers it is said."""

from typing import Any

import pytest

from tests.infra.rules.stack import errors, problems, warnings

KEY = "rayline:cluster.podSecurity"
HOST = {"hostNetwork": True}


def test_without_additions_nothing_is_said() -> None:
    assert not [each for each in problems() if "Pod Security" in each.message]


@pytest.mark.parametrize(
    ("edits", "key", "level"),
    [
        ({"storage__fixPermissions": True}, "rayline:storage.fixPermissions", "baseline"),
        ({"ray__head__podTemplate__spec": HOST}, "rayline:ray.head.podTemplate", "none"),
        ({"gpuGroups__1__podTemplate__spec": HOST}, "rayline:gpuGroups[1].podTemplate", "none"),
        ({"hub__podTemplate__spec": HOST}, "rayline:hub.podTemplate", "none"),
        (
            {"hub__podTemplate__spec": HOST, "storage__fixPermissions": True},
            "rayline:storage.fixPermissions",
            "none",
        ),
    ],
    ids=str,
)
def test_what_lowers_the_level_is_named(edits: dict[str, Any], key: str, level: str) -> None:
    reported = warnings(**edits)
    assert f"the namespace enforces {level}" in reported[key]
    assert f"podSecurity' {level}" in reported[key]
    assert errors(**edits) == {}


@pytest.mark.parametrize("level", ["restricted", "baseline"])
def test_a_chosen_level_that_refuses_pods_is_an_error(level: str) -> None:
    edits = {"ray__head__podTemplate__spec": HOST, "cluster__podSecurity": level}
    (message,) = [m for key, m in errors(**edits).items() if key == KEY]
    assert "hostNetwork" in message
    assert "Pod Security" not in str(warnings(**edits))


@pytest.mark.parametrize("level", ["privileged", "none"])
def test_a_chosen_level_that_refuses_nothing_is_no_problem(level: str) -> None:
    edits = {"ray__head__podTemplate__spec": HOST, "cluster__podSecurity": level}
    assert not [each for each in problems(**edits) if "Pod Security" in each.message]


def test_a_template_that_cannot_be_merged_is_judged_by_its_own_rule() -> None:
    edits = {"ray__head__podTemplate__spec": {"hostNetwork": "x"}}
    assert list(errors(**edits)) == ["rayline:ray.head.podTemplate.spec.hostNetwork"]


def test_a_level_for_a_namespace_of_others_has_no_effect() -> None:
    edits = {"cluster__createNamespace": False, "cluster__podSecurity": "baseline"}
    assert list(errors(**edits)) == [KEY]
    assert errors(cluster__createNamespace=False) == {}


def test_an_adopted_namespace_keeps_its_labels() -> None:
    edits = {
        "cluster__adopt": ["namespace/kuberay-projects"],
        "ray__head__podTemplate__spec": HOST,
    }
    assert not [each for each in problems(**edits) if "Pod Security" in each.message]
