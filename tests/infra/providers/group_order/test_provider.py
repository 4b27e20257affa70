"""The state's memory of the GPU groups. Under the real engine: tests/infra/providers/engine."""

from typing import Any

import pytest

from infra.providers.group_order.provider import CLUSTER, INPUTS, WorkerGroupsProvider
from infra.providers.group_order.resource import remembered
from tests.infra.rules.stack import settings

PROVIDER = WorkerGroupsProvider()


def props(*names: str, **changes: Any) -> dict[str, Any]:
    return {**remembered(settings()), "names": list(names), "disabled": [], **changes}


def reasons(olds: dict[str, Any], news: dict[str, Any]) -> list[str]:
    result = PROVIDER.check(olds, news)
    assert result.inputs == news
    return [failure.reason for failure in result.failures]


def test_what_is_remembered() -> None:
    assert remembered(settings()) == {
        "context": "a",
        "namespace": "kuberay-projects",
        "cluster": "rayline",
        "delivery": "restApi",
        "names": ["big", "spare"],
        "disabled": ["spare"],
    }
    assert set(remembered(settings())) == set(INPUTS)


def test_a_first_deployment_has_no_order_to_keep() -> None:
    assert reasons({}, props("b", "a")) == []


def test_a_list_that_goes_on_is_accepted() -> None:
    assert reasons(props("a"), props("a")) == []
    assert reasons(props("a"), props("a", "b")) == []
    assert reasons(props("a", "b", disabled=["b"]), props("a")) == []


def test_a_list_that_breaks_the_order_is_refused_in_words() -> None:
    (inserted,) = reasons(props("a", "b"), props("a", "c", "b"))
    assert "rayline:gpuGroups is a, c, b; it was a, b." in inserted
    (removed,) = reasons(props("a", "b"), props("a"))
    assert "lacks 'b'" in removed


@pytest.mark.parametrize("key", CLUSTER)
def test_another_cluster_has_an_order_of_its_own(key: str) -> None:
    assert reasons(props("a", "b"), props("b", "a", **{key: "rayService"})) == []


def test_a_change_is_written_down() -> None:
    old = props("a")
    assert PROVIDER.diff("id", old, props("a")).changes is False
    for news in (props("a", "b"), props("a", disabled=["a"]), props("a", context="other")):
        assert PROVIDER.diff("id", old, news).changes is True
        assert PROVIDER.update("id", old, news).outs == news
    assert PROVIDER.create(old).outs == old
