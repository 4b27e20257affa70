"""What podTemplate may contain, and what every refusal names."""

from typing import Any

import pytest

from tests.infra.rules.stack import errors

OWNERS = {
    "ray__head": ("rayline:ray.head.podTemplate", "ray-head"),
    "gpuGroups__0": ("rayline:gpuGroups[0].podTemplate", "ray-worker"),
    "hub": ("rayline:hub.podTemplate", "download"),
}
ACCEPTED: dict[str, Any] = {
    "metadata": {"labels": {"team": "ml"}, "annotations": {"sidecar.istio.io/inject": "false"}},
    "spec": {
        "hostNetwork": True,
        "securityContext": {"runAsUser": 1001, "seccompProfile": {"type": "Unconfined"}},
        "automountServiceAccountToken": True,
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "side", "image": "a", "env": [{"name": "HF_HOME", "value": "/x"}]}],
        "initContainers": [{"name": "first", "image": "a", "command": ["true"]}],
        "volumes": [{"name": "ray-logs", "emptyDir": {"sizeLimit": "1Gi"}}],
    },
}


@pytest.fixture(params=OWNERS)
def owner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def refused(owner: str, template: Any) -> dict[str, str]:
    """Messages by the part of the key that follows podTemplate."""
    key, _ = OWNERS[owner]
    found = errors(**{f"{owner}__podTemplate": template})
    assert all(each.startswith(key) for each in found), found
    return {each.removeprefix(key).removeprefix("."): text for each, text in found.items()}


def main(owner: str, **fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": OWNERS[owner][1], **fields}]}}


def test_parts_that_pods_may_have(owner: str) -> None:
    template = ACCEPTED
    if owner == "hub":  # a Job's pods have no such volume
        template = {**ACCEPTED, "spec": {**ACCEPTED["spec"], "volumes": []}}
    assert refused(owner, template) == {}


@pytest.mark.parametrize(
    ("template", "key", "text"),
    [
        ({"spec": {"hostNetwork": None}}, "spec.hostNetwork", "is null"),
        ({"spec": {"$patch": "replace"}}, 'spec["$patch"]', "directive"),
        ({"spec": {"hostNetwrk": True}}, "spec.hostNetwrk", "did you mean 'hostNetwork'?"),
        ({"spec": {"hostNetwork": "yes"}}, "spec.hostNetwork", "true or false"),
        ({"spec": {"containers": "a"}}, "spec.containers", "a list"),
        ({"spec": {"containers": [{"image": "a"}]}}, "spec.containers[0].name", "is missing"),
        ({"spec": {"containers": [{"name": "a"}]}}, "spec.containers[0].image", "is missing"),
        ({"spec": {"ephemeralContainers": []}}, "spec.ephemeralContainers", "kubectl debug"),
        ({"metadata": {"labels": {"ray.io/a": "b"}}}, 'metadata.labels["ray.io/a"]', "selector"),
        (
            {"metadata": {"labels": {"app.kubernetes.io/part-of": "b"}}},
            'metadata.labels["app.kubernetes.io/part-of"]',
            "selector",
        ),
        (
            {"metadata": {"annotations": {"rayline.dev/template-hash": "b"}}},
            'metadata.annotations["rayline.dev/template-hash"]',
            "outdated pods",
        ),
        (
            {"metadata": {"annotations": {"ray.io/overwrite-container-cmd": "true"}}},
            'metadata.annotations["ray.io/overwrite-container-cmd"]',
            "Ray would not start",
        ),
        (
            {"spec": {"serviceAccountName": "a"}},
            "spec.serviceAccountName",
            "rayline:ray.serviceAccount",
        ),
        ({"spec": {"restartPolicy": "OnFailure"}}, "spec.restartPolicy", ""),
        (
            {"spec": {"volumes": [{"name": "model-cache", "hostPath": {"path": "/a"}}]}},
            "spec.volumes[0].hostPath",
            "another name",
        ),
    ],
    ids=str,
)
def test_what_no_pod_may_have(owner: str, template: Any, key: str, text: str) -> None:
    found = refused(owner, template)
    assert list(found) == [key]
    assert text in found[key]


@pytest.mark.parametrize(
    ("fields", "key", "text"),
    [
        ({"image": "a"}, "image", "rayline:image"),
        ({"imagePullPolicy": "Never"}, "imagePullPolicy", "rayline:image.pullPolicy"),
        ({"command": ["a"]}, "command", "init container"),
        ({"args": ["a"]}, "args", "init container"),
        ({"env": [{"name": "HF_HOME", "value": "a"}]}, "env[0]", "model cache"),
        (
            {"env": [{"name": "RAY_ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "a"}}}]},
            "env[0]",
            "KubeRay sets it",
        ),
        (
            {"volumeMounts": [{"name": "a", "mountPath": "/a"}]},
            "volumeMounts[0]",
            "is no volume of these pods, which have model-cache",
        ),
        (
            {"volumeMounts": [{"name": "model-cache", "mountPath": "/a", "readOnly": "yes"}]},
            "volumeMounts[0].readOnly",
            "true or false",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_the_main_container_may_not_have(owner: str, fields: Any, key: str, text: str) -> None:
    found = refused(owner, main(owner, **fields))
    assert list(found) == [f"spec.containers[0].{key}"]
    assert text in next(iter(found.values()))


@pytest.mark.parametrize("container", ["main", "side"])
@pytest.mark.parametrize("value", ["canary-value", 20461])
def test_a_secret_in_plain_text_is_refused_in_every_container(
    owner: str, container: str, value: Any
) -> None:
    name = OWNERS[owner][1] if container == "main" else "side"
    template = {
        "spec": {
            "containers": [
                {
                    "name": name,
                    **({} if container == "main" else {"image": "a"}),
                    "env": [{"name": "API_KEY", "value": value}],
                }
            ]
        }
    }
    found = refused(owner, template)
    assert list(found) == ["spec.containers[0].env[0].value"]
    assert str(value) not in str(found)
    good = {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}
    template["spec"]["containers"][0]["env"] = [good]
    assert refused(owner, template) == {}


def test_a_mount_of_rayline_stays(owner: str) -> None:
    template = main(owner, volumeMounts=[{"name": "a", "mountPath": "/data/model-cache"}])
    template["spec"]["volumes"] = [{"name": "a", "emptyDir": {}}]
    assert "another path" in refused(owner, template)["spec.containers[0].volumeMounts[0]"]


def test_workers_restart_and_drain() -> None:
    assert "lose the head" in str(refused("gpuGroups__0", {"spec": {"restartPolicy": "Never"}}))
    assert refused("gpuGroups__0", {"spec": {"restartPolicy": "Always"}}) == {}
    grace = {"spec": {"terminationGracePeriodSeconds": 5}}
    assert "drainSeconds" in str(refused("gpuGroups__0", grace))
    assert refused("ray__head", grace) == {}
    hook = {"preStop": {"exec": {"command": ["true"]}}}
    assert "streams" in str(refused("gpuGroups__0", main("gpuGroups__0", lifecycle=hook)))
    wait = {"spec": {"initContainers": [{"name": "wait-gcs-ready", "image": "a"}]}}
    assert "KubeRay adds" in str(refused("gpuGroups__0", wait))


def test_the_form_is_checked_without_a_model_to_download() -> None:
    assert list(errors(hub__podTemplate={"spec": {"hostNetwrk": True}}, models=[]))


def test_a_typed_key_is_the_place_for_what_it_sets() -> None:
    template = {"spec": {"runtimeClassName": "a", "priorityClassName": "a"}}
    assert refused("gpuGroups__0", template) == {}
    reported = errors(
        gpuGroups__0__podTemplate=template,
        gpuGroups__0__runtimeClassName="b",
        gpuGroups__0__priorityClassName="a",
    )
    key = "rayline:gpuGroups[0].podTemplate.spec.runtimeClassName"
    assert list(reported) == [key]
    assert "rayline:gpuGroups[0].runtimeClassName" in reported[key]
    limits = main("gpuGroups__0", resources={"limits": {"cpu": "1", "ephemeral-storage": "1Gi"}})
    assert "use rayline:gpuGroups[0].limits" in str(refused("gpuGroups__0", limits))
    assert len(refused("gpuGroups__0", limits)) == 1


def test_the_resources_of_download_jobs_are_a_default() -> None:
    more = {"limits": {"memory": "8Gi"}}
    assert refused("hub", main("hub", resources=more)) == {}
