"""Merging a partial object under rayline's own: what stays, what is added, what is reported."""

import copy
from typing import Any

import pytest

from infra.settings.framework.kuberay import pod_template_schema
from infra.specs.strategic_merge import (
    APPENDED,
    MERGE_KEYS,
    OPTIONAL_KEYS,
    Overruled,
    overruled,
    under,
    unmergeable,
)

OWN: dict[str, Any] = {
    "spec": {
        "serviceAccountName": "ours",
        "securityContext": {"runAsUser": 1000, "runAsNonRoot": True},
        "containers": [
            {
                "name": "main",
                "image": "ours",
                "env": [{"name": "A", "value": "ours"}, {"name": "B", "value": "ours"}],
                "ports": [{"name": "http", "containerPort": 80}],
                "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
                "lifecycle": {"preStop": {"exec": {"command": ["ours"]}}},
                "securityContext": {"capabilities": {"drop": ["ALL"]}},
            }
        ],
        "volumes": [{"name": "cache", "emptyDir": {}}],
        "tolerations": [{"key": "ours"}],
    }
}
DEFAULTS = (("spec", "securityContext"), ("spec", "containers", "securityContext"))


def merged(spec: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = under({"spec": spec}, OWN, DEFAULTS)["spec"]
    return result


def in_vain(spec: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [each.place for each in overruled({"spec": spec}, OWN, DEFAULTS)]


def main(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "main", **fields}]}


def test_items_are_found_by_their_key_and_new_ones_come_last() -> None:
    spec = merged(
        {
            "containers": [
                {"name": "side", "image": "theirs"},
                {"name": "main", "env": [{"name": "C", "value": "1"}], "tty": True},
            ],
            "volumes": [{"name": "more", "emptyDir": {}}],
        }
    )
    assert [each["name"] for each in spec["containers"]] == ["main", "side"]
    assert spec["containers"][0]["tty"] is True
    assert [each["name"] for each in spec["containers"][0]["env"]] == ["A", "B", "C"]
    assert [each["name"] for each in spec["volumes"]] == ["cache", "more"]


def test_own_values_stay_and_are_reported_with_their_place() -> None:
    spec = {"serviceAccountName": "theirs", **main(image="theirs", stdin=True)}
    assert merged(spec)["serviceAccountName"] == "ours"
    assert merged(spec)["containers"][0]["image"] == "ours"
    assert overruled({"spec": spec}, OWN) == [
        Overruled(("spec", "serviceAccountName"), "ours"),
        Overruled(("spec", "containers", 0, "image"), "ours"),
    ]


def test_a_value_that_is_equal_is_not_in_vain() -> None:
    assert in_vain(copy.deepcopy(OWN["spec"])) == []


def test_a_default_is_replaced_value_by_value() -> None:
    spec = {
        "securityContext": {"runAsUser": 7, "fsGroup": 8},
        **main(securityContext={"capabilities": {"drop": ["NET_RAW"], "add": ["IPC_LOCK"]}}),
    }
    assert merged(spec)["securityContext"] == {"runAsUser": 7, "runAsNonRoot": True, "fsGroup": 8}
    assert merged(spec)["containers"][0]["securityContext"] == {
        "capabilities": {"drop": ["NET_RAW"], "add": ["IPC_LOCK"]}
    }
    assert in_vain(spec) == []


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"volumes": [{"name": "cache", "hostPath": {"path": "/"}}]}, ("volumes", 0, "hostPath")),
        (main(env=[{"name": "B", "valueFrom": {}}]), ("containers", 0, "env", 0, "valueFrom")),
        (
            main(lifecycle={"preStop": {"httpGet": {"port": 80}}}),
            ("containers", 0, "lifecycle", "preStop", "httpGet"),
        ),
    ],
    ids=["volume", "variable", "hook"],
)
def test_a_second_source_is_never_added(spec: dict[str, Any], place: tuple[Any, ...]) -> None:
    assert merged(spec) == OWN["spec"]
    assert in_vain(spec) == [("spec", *place)]


def test_a_volume_can_be_limited_without_another_source() -> None:
    spec = merged({"volumes": [{"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}}]})
    assert spec["volumes"] == [{"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}}]


def test_one_port_may_have_two_protocols() -> None:
    spec = merged(main(ports=[{"name": "udp", "containerPort": 80, "protocol": "UDP"}]))
    assert [port["name"] for port in spec["containers"][0]["ports"]] == ["http", "udp"]
    again = main(ports=[{"name": "other", "containerPort": 80, "protocol": "TCP"}])
    assert in_vain(again) == [("spec", "containers", 0, "ports", 0, "name")]


def test_tolerations_of_both_apply() -> None:
    spec = merged({"tolerations": [{"key": "theirs"}, {"key": "ours"}]})
    assert spec["tolerations"] == [{"key": "ours"}, {"key": "theirs"}]


@pytest.mark.parametrize(
    ("template", "place", "lacks"),
    [
        ({"spec": {"hostNetwork": None}}, ("spec", "hostNetwork"), None),
        ({"spec": {"$patch": "replace"}}, ("spec", "$patch"), None),
        ({"spec": {"containers": [{"image": "a"}]}}, ("spec", "containers", 0), "name"),
        ({"spec": {"volumes": ["a"]}}, ("spec", "volumes", 0), None),
        (
            {"spec": {"volumes": [{"name": "a"}, {"name": "a"}]}},
            ("spec", "volumes", 1),
            None,
        ),
        (
            {"spec": {"topologySpreadConstraints": [{"topologyKey": "a"}]}},
            ("spec", "topologySpreadConstraints", 0),
            "whenUnsatisfiable",
        ),
        (
            {"spec": {"containers": [{"name": "a", "volumeMounts": [{"name": "b"}]}]}},
            ("spec", "containers", 0, "volumeMounts", 0),
            "mountPath",
        ),
    ],
)
def test_what_cannot_be_merged(template: Any, place: tuple[Any, ...], lacks: str | None) -> None:
    (found,) = unmergeable(template)
    assert (found.place, found.lacks) == (place, lacks)


def test_merge_keys_are_those_of_the_api() -> None:
    """KubeRay's CRD contains Kubernetes' schema of a pod, with the keys of its lists."""
    found: dict[str, set[tuple[str, ...]]] = {}
    others: set[str] = set()
    template = pod_template_schema()
    todo = [("", template)]
    while todo:
        name, node = todo.pop()
        keys = node.get("x-kubernetes-list-map-keys")
        if keys:
            found.setdefault(name, set()).add(tuple(keys))
        elif node.get("type") == "array" and node["items"].get("type") == "object":
            others.add(name)
        todo += node.get("properties", {}).items()
        if "items" in node:
            todo.append((name, node["items"]))
    found.pop("ephemeralContainers")  # not allowed in templates
    assert {name: {keys} for name, keys in MERGE_KEYS.items()} == found
    assert not found.keys() & others
    assert others >= APPENDED
    container = template["properties"]["spec"]["properties"]["containers"]["items"]
    ports = container["properties"]["ports"]["items"]["properties"]
    assert {key: ports[key]["default"] for key in OPTIONAL_KEYS} == OPTIONAL_KEYS
