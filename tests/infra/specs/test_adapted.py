"""Every key that adapts pods reaches each pod of its kind, and no other pod."""

from typing import Any

import pytest

from infra.settings import StackSettings
from infra.specs import names, platform
from infra.specs.download_job import download_job
from infra.specs.pod_templates import pod_templates
from infra.specs.ray_cluster import ray_cluster
from infra.specs.ray_service import ray_service
from tests.infra.specs.original import IMAGE, ORIGINAL, original
from tests.infra.specs.schemas import problems
from tests.stacks import Location, edited, short

HEAD, FIRST, SECOND, JOB = names.HEAD, "rtx-3090", "rtx-3060", "job"
RAY = {HEAD, FIRST, SECOND}
KINDS: dict[Location, set[str]] = {
    ("ray", "head"): {HEAD},
    ("gpuGroups", 0): {FIRST},
    ("gpuGroups", 1): {SECOND},
    ("hub",): {JOB},
}
OURS = {
    HEAD: names.HEAD_CONTAINER,
    FIRST: names.WORKER_CONTAINER,
    SECOND: names.WORKER_CONTAINER,
    JOB: "download",
}
Spec = dict[str, Any]


def changed(*edits: tuple[Location, Any]) -> StackSettings:
    return original(**edited(ORIGINAL, **{"__".join(map(str, at)): v for at, v in edits}))


def templates(settings: StackSettings) -> dict[str, Spec]:
    built = pod_templates(settings, IMAGE)
    (job,) = [download_job(settings, model, IMAGE) for model in settings.models]
    groups = {name: group.template for name, group in built.groups.items()}
    return {HEAD: built.head.template, JOB: job["spec"]["template"], **groups}


SECRET = {"valueFrom": {"secretKeyRef": {"name": "keys", "key": "wandb"}}}
VARIABLE = {"secret": "keys", "key": "wandb"}
# Key, value, the pods that change, and what they then contain.
TYPED: list[tuple[Location, Any, set[str], Any]] = [
    (("image", "pullSecrets"), ["a.b"], {*RAY, JOB}, {"name": "a.b"}),
    (("image", "createPullSecret"), True, {*RAY, JOB}, {"name": "deepseek-raycluster-pull"}),
    (("ray", "secretEnv"), {"W": VARIABLE}, RAY, {"name": "W", **SECRET}),
    (("ray", "head", "secretEnv"), {"W": VARIABLE}, {HEAD}, {"name": "W", **SECRET}),
    (("gpuGroups", 0, "secretEnv"), {"W": VARIABLE}, {FIRST}, {"name": "W", **SECRET}),
]
for _owner, _pods in KINDS.items():
    for _key in ("runtimeClassName", "priorityClassName"):
        if _owner != ("hub",):
            TYPED.append(((*_owner, _key), "nvidia", _pods, {_key: "nvidia"}))


@pytest.mark.parametrize(("key", "value", "pods", "content"), TYPED, ids=short)
def test_a_key_reaches_all_pods_of_its_kind(
    key: Location, value: Any, pods: set[str], content: Any
) -> None:
    before, after = templates(changed()), templates(changed((key, value)))
    assert {name for name in before if before[name] != after[name]} == pods
    for name, template in after.items():
        assert contains(template, content) is (name in pods), name


SIDECAR = {
    "name": "logs",
    "image": "registry.example.com/fluent-bit:4",
    "volumeMounts": [{"name": "model-cache", "mountPath": "/models", "readOnly": True}],
}
# A part of a pod's spec. Each is one that users of Kubernetes add to pods.
PARTS: dict[str, Spec] = {
    "sidecar": {"containers": [SIDECAR]},
    "init container": {"initContainers": [{"name": "warm-up", "image": "busybox"}]},
    "volume": {
        "volumes": [{"name": "scratch", "hostPath": {"path": "/mnt/nvme"}}],
    },
    "host network": {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
    "host processes": {"hostPID": True},
    "dns": {"dnsConfig": {"nameservers": ["192.0.2.53"], "options": [{"name": "ndots"}]}},
    "hosts": {"hostAliases": [{"ip": "192.0.2.7", "hostnames": ["mirror"]}]},
    "affinity": {
        "affinity": {
            "podAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "podAffinityTerm": {"topologyKey": "zone"}}
                ]
            }
        }
    },
    "spread": {
        "topologySpreadConstraints": [
            {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1}
        ]
    },
    "security": {"securityContext": {"supplementalGroups": [44], "runAsUser": 1001}},
    "scheduler": {"schedulerName": "volcano"},
    "overhead": {"overhead": {"cpu": "250m"}},
    "user namespace": {"hostUsers": False},
    "claims of devices": {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "g"}]},
}


@pytest.mark.parametrize("owner", KINDS, ids=str)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_template_reaches_the_pods_of_its_owner(owner: Location, part: str) -> None:
    settings = changed(((*owner, "podTemplate", "spec"), PARTS[part]))
    before, after = templates(changed()), templates(settings)
    assert {name for name in before if before[name] != after[name]} == KINDS[owner]
    (pod,) = KINDS[owner]
    for key, value in PARTS[part].items():
        assert contains(after[pod]["spec"][key], value), key
    # KubeRay starts Ray in the first container.
    first, *_others = after[pod]["spec"]["containers"]
    assert first["name"] == OURS[pod]
    cluster = ray_cluster(settings, pod_templates(settings, IMAGE))
    assert problems("RayCluster", cluster["spec"]) == []


@pytest.mark.parametrize("owner", [*KINDS][:3], ids=str)
@pytest.mark.parametrize(
    ("given", "shared"),
    [({}, True), ({"shareProcessNamespace": False}, False), ({"hostPID": True}, None)],
)
def test_process_1_of_ray_pods_reaps_unless_the_stack_keeps_processes_apart(
    owner: Location, given: Spec, shared: bool | None
) -> None:
    settings = changed(((*owner, "podTemplate", "spec"), given))
    (pod,) = KINDS[owner]
    assert templates(settings)[pod]["spec"].get("shareProcessNamespace") is shared


@pytest.mark.parametrize("owner", KINDS, ids=str)
def test_the_main_container_can_be_extended(owner: Location) -> None:
    (pod,) = KINDS[owner]
    name = templates(changed())[pod]["spec"]["containers"][0]["name"]
    more = {
        "name": name,
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        "envFrom": [{"configMapRef": {"name": "proxies"}}],
        "resources": {"limits": {"ephemeral-storage": "20Gi"}},
        "securityContext": {"capabilities": {"add": ["IPC_LOCK"]}},
    }
    before = templates(changed())[pod]["spec"]["containers"][0]
    spec = {"containers": [more], "volumes": [{"name": "scratch", "emptyDir": {}}]}
    after = templates(changed(((*owner, "podTemplate", "spec"), spec)))[pod]["spec"]["containers"]
    container = after[0]
    assert container["volumeMounts"] == [*before["volumeMounts"], *more["volumeMounts"]]
    assert container["resources"]["limits"] == {
        **before["resources"]["limits"],
        "ephemeral-storage": "20Gi",
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": ["IPC_LOCK"]},
    }
    assert container["envFrom"] == more["envFrom"]


def test_annotations_and_labels_are_added_beside_the_hash() -> None:
    metadata = {"labels": {"team": "ml"}, "annotations": {"sidecar.istio.io/inject": "false"}}
    settings = changed((("gpuGroups", 0, "podTemplate", "metadata"), metadata))
    found = pod_templates(settings, IMAGE).groups[FIRST].annotated()["metadata"]
    assert found["labels"]["team"] == "ml"
    assert found["annotations"]["sidecar.istio.io/inject"] == "false"
    assert names.TEMPLATE_HASH_ANNOTATION in found["annotations"]


def test_the_other_delivery_has_the_same_pods() -> None:
    settings = changed(
        (("gpuGroups", 0, "podTemplate", "spec"), PARTS["sidecar"]),
        (("image", "createPullSecret"), True),
    )
    built = pod_templates(settings, IMAGE)
    service = ray_service(settings, built)["spec"]["rayClusterConfig"]
    assert service == ray_cluster(settings, built)["spec"]
    assert contains(service["workerGroupSpecs"][0]["template"], SIDECAR["name"])


def test_pull_secrets_are_listed_once_in_the_order_of_the_keys() -> None:
    settings = changed(
        (("image", "pullSecret"), "first"),
        (("image", "pullSecrets"), ["second", "first"]),
        (("image", "createPullSecret"), True),
    )
    wanted = [{"name": n} for n in ("first", "second", "deepseek-raycluster-pull")]
    assert platform.service_account(settings)["imagePullSecrets"] == wanted
    for template in templates(settings).values():
        assert template["spec"]["imagePullSecrets"] == wanted


def test_the_narrower_variable_wins_whatever_its_kind() -> None:
    settings = changed(
        (("ray", "secretEnv"), {"A": VARIABLE, "B": VARIABLE}),
        (("ray", "head", "env"), {"A": "head"}),
        (("gpuGroups", 0, "secretEnv"), {"B": {"secret": "other", "key": "b"}}),
    )
    built = templates(settings)
    assert contains(built[HEAD], {"name": "A", "value": "head"})
    assert not contains(built[HEAD], {"name": "A", **SECRET})
    assert contains(built[FIRST], {"name": "A", **SECRET})
    assert contains(
        built[FIRST],
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "other", "key": "b"}}},
    )


def contains(whole: Any, part: Any) -> bool:
    """Whether `part` is in `whole` at any depth; of an object, some keys are enough."""
    if whole == part:
        return True
    if isinstance(whole, dict):
        if isinstance(part, dict) and all(k in whole and contains(whole[k], part[k]) for k in part):
            return True
        return any(contains(value, part) for value in whole.values())
    if isinstance(part, list):
        return isinstance(whole, list) and all(contains(whole, item) for item in part)
    return isinstance(whole, list) and any(contains(item, part) for item in whole)
