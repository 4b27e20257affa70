"""The values of KubeRay's chart."""

from typing import Any

import pytest

from infra.specs import operator_chart
from tests.stacks import settings

HOME = "kuberay-projects"
CONFINED = {"singleNamespaceInstall": True, "watchNamespace": [HOME]}


@pytest.mark.parametrize(
    ("edits", "scope", "watched"),
    [
        ({}, CONFINED, (HOME,)),
        ({"watch": "cluster"}, {}, ()),
        ({"values": {"resources": {}}}, CONFINED, (HOME,)),
        ({"values": {"watchNamespace": ["a", HOME]}}, {"watchNamespace": ["a", HOME]}, ("a", HOME)),
        ({"values": {"singleNamespaceInstall": False}}, {"singleNamespaceInstall": False}, ()),
        (
            {"values": {"singleNamespaceInstall": True}, "namespace": HOME},
            {"singleNamespaceInstall": True},
            (HOME,),
        ),
    ],
    ids=str,
)
def test_the_operator_is_confined_unless_the_stack_says_otherwise(
    edits: dict[str, Any], scope: dict[str, Any], watched: tuple[str, ...]
) -> None:
    wanted = settings(**{f"operator__{key}": value for key, value in edits.items()})
    values = operator_chart.values(wanted)
    assert {key: values[key] for key in CONFINED if key in values} == scope
    assert operator_chart.watched(wanted) == watched
    assert operator_chart.template(wanted)["values"] == values
