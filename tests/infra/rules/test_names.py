"""Names are unique and not reserved."""

import pytest

from infra.rules import names
from infra.settings.framework.problems import ConfigurationError
from infra.specs import names as object_names
from tests.infra.rules.stack import errors, problems
from tests.stacks import settings


def test_the_stack_of_these_tests_breaks_no_rule() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("name", "fits"), [("r" * 47, True), ("r" * 48, False), ("9ray", False), ("ray9", True)]
)
def test_the_cluster_has_a_name_that_kuberay_accepts(name: str, fits: bool) -> None:
    """validation.go and constant.go of 1.6.2; the stricter limit, 47, is that of a RayService."""
    if fits:
        assert errors(ray__name=name) == {}
    else:
        with pytest.raises(ConfigurationError, match=r"rayline:ray.name' \w"):
            settings(ray__name=name)


def test_names_of_the_longest_cluster_are_labels() -> None:
    longest = settings(ray__name="r" * 47, models__0__name="m" * 63)
    assert len(object_names.download_job_name(longest, longest.models[0])) <= 63
    assert len(object_names.head_service(longest)) <= 63


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"models__1__name": "ONE"}, "rayline:models[1].name"),
        ({"gpuGroups__2__name": "spare"}, "rayline:gpuGroups[2].name"),
        ({"auth__users__1__name": "Alice"}, "rayline:auth.users[1].name"),
    ],
)
def test_names_are_unique_whatever_their_case(change: dict[str, str], key: str) -> None:
    more = {"models__1__route": "/other"} if "models__1__name" in change else {}
    assert list(errors(**change, **more)) == [key]


@pytest.mark.parametrize("name", sorted(names.RESERVED_GROUPS))
def test_a_group_has_no_reserved_name(name: str) -> None:
    reported = errors(gpuGroups__1__name=name)
    assert list(reported) == ["rayline:gpuGroups[1].name"]
    assert errors(gpuGroups__1__name=f"{name}-workers") == {}


def test_a_role_exists() -> None:
    reported = errors(auth__users__0__role="boss")
    assert "admin, user, guest" in reported["rayline:auth.users[0].role"]
    assert errors(auth__users__0__role="boss", auth__roles={"boss": {"priority": 1}}) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"models__1__route": "/two", "models__0__aliases": ["one-1"]},
        {"models__1__aliases": ["one"]},
        {"models__0__aliases": ["one"]},
        {"models__0__aliases": ["Qwen/Tiny", "Qwen/Tiny"]},
        {"models__0__aliases": ["Qwen/Tiny"], "models__1__aliases": ["other", "Qwen/Tiny"]},
    ],
)
def test_a_name_means_one_model(changes: dict[str, object]) -> None:
    (message,) = errors(**changes).values()
    assert "already has; names of models must be unique" in message


def test_two_models_may_have_several_names_each() -> None:
    changes = {"models__0__aliases": ["Qwen/Tiny", "gpt-4o"], "models__1__aliases": ["llama3:8b"]}
    assert errors(**changes) == {}


@pytest.mark.parametrize("alias", ["", "a b", "a,b", "-x", "/x", "x/", "é", "x" * 257])
def test_an_alias_is_a_word(alias: str) -> None:
    with pytest.raises(ConfigurationError, match="aliases"):
        settings(models__0__aliases=[alias])
