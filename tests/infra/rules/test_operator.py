"""Values of the operator's chart."""

from typing import Any

import pytest

from tests.infra.rules.stack import errors

KEY = "rayline:operator.values"


def test_values_that_rayline_does_not_set() -> None:
    values = {
        "resources": {"limits": {"memory": "1Gi"}},
        "image": {"repository": "registry.example.com/operator", "tag": "v1.6.2"},
        "watchNamespace": ["other", "kuberay-projects"],
        "nodeSelector": None,
    }
    assert errors(operator__values=values) == {}


def test_names_and_a_chosen_image_are_not_overridden() -> None:
    reported = errors(
        operator__values={
            "fullnameOverride": "x",
            "image": {"tag": "v9", "pullPolicy": "Always"},
        },
        operator__image="registry.example.com/operator:v1.6.2",
    )
    assert set(reported) == {f"{KEY}.fullnameOverride", f"{KEY}.image.tag"}
    assert "v1.6.2" in reported[f"{KEY}.image.tag"]


@pytest.mark.parametrize(
    "values",
    [
        {"watchNamespace": ["other"]},
        {"watchNamespace": "kuberay-projects"},
        {"singleNamespaceInstall": True},
    ],
)
def test_the_operator_watches_the_namespace_of_the_cluster(values: dict[str, Any]) -> None:
    assert list(errors(operator__values=values)) == [f"{KEY}.watchNamespace"]


def test_an_operator_in_the_same_namespace_watches_it() -> None:
    values = {"singleNamespaceInstall": True}
    assert errors(operator__values=values, operator__namespace="kuberay-projects") == {}


def test_a_secret_is_no_plain_variable_of_the_operator() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "API_KEY", "value": "canary"}]
    reported = errors(operator__values={"env": env})
    assert list(reported) == [f"{KEY}.env[1]"]
    assert "canary" not in str(reported)
    source = {"secretKeyRef": {"name": "keys", "key": "a"}}
    assert errors(operator__values={"env": [{"name": "API_KEY", "valueFrom": source}]}) == {}
