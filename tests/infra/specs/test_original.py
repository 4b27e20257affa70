"""Every fact of the original hand-made deployment (docs/origin.md), in rayline's objects."""

from typing import Any

import pytest

from infra.settings import StackSettings
from infra.specs import services
from infra.specs.auth_config import auth_config
from infra.specs.pod_templates import pod_templates
from infra.specs.ray_cluster import ray_cluster
from infra.specs.serve_config import serve_config
from tests.infra.specs.original import IMAGE, original, production

ANNOTATIONS = {
    "ray.io/enable-serve-service": "true",
    "prometheus.deckhouse.io/port": "8080",
    "prometheus.deckhouse.io/query-param-format": "prometheus",
    "prometheus.deckhouse.io/sample-limit": "5000",
}
PROMETHEUS = "https://prometheus.d8-monitoring:9090"
TARGET = "prometheus.deckhouse.io/custom-target"
TAINT = {
    "key": "dedicated.apiac.ru",
    "operator": "Equal",
    "value": "w-gpu",
    "effect": "NoExecute",
}


def node_affinity(group: str) -> dict[str, Any]:
    expression = {"key": "node.deckhouse.io/group", "operator": "In", "values": [group]}
    return {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [expression]}]
        }
    }


def anti_affinity(component: str) -> dict[str, Any]:
    expression = {"key": "component", "operator": "In", "values": [component]}
    return {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {
                "labelSelector": {"matchExpressions": [expression]},
                "topologyKey": "kubernetes.io/hostname",
            }
        ]
    }


# Path in the objects -> value. Parts of a path are keys, indices, or name=... for a list item.
CLUSTER: list[tuple[str, Any]] = [
    ("metadata/name", "deepseek-raycluster"),
    ("metadata/namespace", "kuberay-projects"),
    (f"metadata/labels/{TARGET.replace('/', '~')}", "deepseek-raycluster"),
    ("metadata/annotations", ANNOTATIONS),
    ("spec/headServiceAnnotations/ray.io~enable-serve-service", "true"),
    ("spec/headGroupSpec/serviceType", "ClusterIP"),
]
PODS: list[tuple[str, Any]] = [
    ("spec/containers/0/imagePullPolicy", "IfNotPresent"),
    ("spec/imagePullSecrets", [{"name": "regcred"}]),
    ("spec/containers/0/env/name=HF_HOME/value", "/data/model-cache"),
    ("spec/securityContext/runAsUser", 1000),
    ("spec/securityContext/runAsGroup", 100),
    ("spec/securityContext/runAsNonRoot", True),
    ("spec/volumes/name=ray-logs/emptyDir", {}),
    ("spec/containers/0/volumeMounts/name=ray-logs/mountPath", "/tmp/ray"),
    ("spec/volumes/name=model-cache/persistentVolumeClaim/claimName", "model-cache-pvc"),
    ("spec/containers/0/volumeMounts/name=model-cache/mountPath", "/data/model-cache"),
]
HEAD: list[tuple[str, Any]] = [
    ("rayStartParams/dashboard-host", "0.0.0.0"),
    ("rayStartParams/num-cpus", "0"),
    ("rayStartParams/metrics-export-port", "8080"),
    ("template/metadata/labels/component", "ray-head"),
    (f"template/metadata/labels/{TARGET.replace('/', '~')}", "deepseek-raycluster"),
    ("template/spec/serviceAccountName", "sa-deepseek-cluster"),
    ("template/spec/containers/0/env/name=RAY_PROMETHEUS_HOST/value", PROMETHEUS),
    ("template/spec/containers/0/resources/limits", {"cpu": "6", "memory": "8G"}),
    ("template/spec/containers/0/resources/requests", {"cpu": "3", "memory": "4G"}),
    ("template/spec/affinity/podAntiAffinity", anti_affinity("ray-head")),
]
WORKERS: list[tuple[str, Any]] = [
    ("rayStartParams/node-ip-address", "$MY_POD_IP"),
    (
        "template/spec/containers/0/env/name=MY_POD_IP/valueFrom/fieldRef/fieldPath",
        "status.podIP",
    ),
    (
        "template/spec/containers/0/resources/limits",
        {"cpu": "16", "memory": "24G", "nvidia.com/gpu": "1"},
    ),
    (
        "template/spec/containers/0/resources/requests",
        {"cpu": "8", "memory": "12G", "nvidia.com/gpu": "1"},
    ),
    ("template/spec/tolerations", [TAINT]),
]
RTX_3090: list[tuple[str, Any]] = [
    ("groupName", "rtx-3090"),
    ("replicas", 2),
    ("minReplicas", 2),
    ("maxReplicas", 2),
    ("template/metadata/labels/component", "ray-worker"),
    ("template/spec/nodeSelector", {"node.deckhouse.io/group": "w-gpu"}),
    ("template/spec/affinity/nodeAffinity", node_affinity("w-gpu")),
    ("template/spec/affinity/podAntiAffinity", anti_affinity("ray-worker")),
]
RTX_3060: list[tuple[str, Any]] = [
    ("groupName", "rtx-3060"),
    ("replicas", 0),  # `disabled: true` there
    ("template/metadata/labels/component", "ray-worker-3060"),
    ("template/spec/nodeSelector", {"node.deckhouse.io/group": "w-gpu-3060"}),
    ("template/spec/affinity/nodeAffinity", node_affinity("w-gpu-3060")),
    ("template/spec/affinity/podAntiAffinity", anti_affinity("ray-worker-3060")),
]
# Not compared: import_path, working_dir and the time limit. Here the code is in the image, and
# `pulumi up` waits.
APPLICATION: list[tuple[str, Any]] = [
    ("name", "Dolphin3.0"),
    ("route_prefix", "/"),
    ("deployments/name=VLLMDeployment/num_replicas", 1),
    ("runtime_env/env_vars/MODEL_ID", "Valdemardi/Dolphin3.0-R1-Mistral-24B-AWQ"),
    ("runtime_env/env_vars/MODEL_NAME", "Dolphin3.0"),
    ("runtime_env/env_vars/TENSOR_PARALLELISM", "1"),
    ("runtime_env/env_vars/PIPELINE_PARALLELISM", "2"),
    ("runtime_env/env_vars/DTYPE", "float16"),
    ("runtime_env/env_vars/GPU_MEMORY_UTIL", "0.97"),
    ("runtime_env/env_vars/MAX_MODEL_LEN", "32768"),
]
# Commented out in the original deployment, so a stack may leave them out.
OPTIONAL_APPLICATION: list[tuple[str, Any]] = [
    ("runtime_env/env_vars/MAX_NUM_SEQS", "128"),
    ("runtime_env/env_vars/CPU_OFFLOAD_GB", "12.0"),
    ("runtime_env/env_vars/ENABLE_CHUNKED_PREFILL", "True"),
    ("runtime_env/env_vars/ENABLE_ENFORCE_EAGER", "True"),
]

GROUPS = "spec/workerGroupSpecs"
CLUSTER_FACTS = [
    *CLUSTER,
    *((f"spec/headGroupSpec/{path}", value) for path, value in HEAD),
    *((f"{GROUPS}/0/{path}", value) for path, value in [*RTX_3090, *WORKERS]),
    *((f"{GROUPS}/1/{path}", value) for path, value in [*RTX_3060, *WORKERS]),
]
POD_FACTS = [
    (f"{place}/template/{path}", value)
    for place in ("spec/headGroupSpec", f"{GROUPS}/0", f"{GROUPS}/1")
    for path, value in PODS
]


@pytest.fixture(scope="module", params=["original", "production"])
def settings(request: pytest.FixtureRequest) -> StackSettings:
    return original() if request.param == "original" else production()


def at(content: Any, path: str) -> Any:
    """The value at a path; `~` stands for a slash inside a key."""
    for part in path.split("/"):
        if part.startswith("name="):
            content = next(item for item in content if item["name"] == part.removeprefix("name="))
        elif isinstance(content, list):
            content = content[int(part)]
        else:
            content = content[part.replace("~", "/")]
    return content


@pytest.mark.parametrize(("path", "value"), CLUSTER_FACTS, ids=[path for path, _ in CLUSTER_FACTS])
def test_the_ray_cluster(settings: StackSettings, path: str, value: Any) -> None:
    assert at(ray_cluster(settings, pod_templates(settings, IMAGE)), path) == value


def test_the_original_names_prometheus_as_grafana_and_prod_does_not() -> None:
    """docs/origin.md lists what rayline changes on purpose."""
    found = {}
    for name, stack in (("original", original()), ("production", production())):
        cluster = ray_cluster(stack, pod_templates(stack, IMAGE))
        head = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
        found[name] = {each["name"]: each.get("value") for each in head["env"]}
    assert found["original"]["RAY_GRAFANA_HOST"] == PROMETHEUS
    assert "RAY_GRAFANA_HOST" not in found["production"]


@pytest.mark.parametrize(("path", "value"), POD_FACTS, ids=[path for path, _ in POD_FACTS])
def test_every_pod(settings: StackSettings, path: str, value: Any) -> None:
    assert at(ray_cluster(settings, pod_templates(settings, IMAGE)), path) == value


def test_what_the_environment_of_pods_may_also_contain() -> None:
    cluster = ray_cluster(original(), pod_templates(original(), IMAGE))
    path = "template/spec/containers/0/env/name=PYTORCH_CUDA_ALLOC_CONF/value"
    for place in ("spec/headGroupSpec", f"{GROUPS}/0", f"{GROUPS}/1"):
        assert at(cluster, f"{place}/{path}") == "expandable_segments:True"


@pytest.mark.parametrize(("path", "value"), APPLICATION, ids=[path for path, _ in APPLICATION])
def test_the_serve_application(settings: StackSettings, path: str, value: Any) -> None:
    assert at(serve_config(settings)["applications"][0], path) == value


@pytest.mark.parametrize(("path", "value"), OPTIONAL_APPLICATION)
def test_what_the_application_may_also_set(path: str, value: Any) -> None:
    assert at(serve_config(original())["applications"][0], path) == value


def test_the_auth_secret() -> None:
    data = auth_config(original().auth, {"alice": "A", "bob": "B"}, "K", None)
    assert data["JWT_KEY"] == "K"
    assert data["ACCESS_TOKEN_EXPIRE_MINUTES"] == "60"
    assert data["SKIP_EXP_CHECK"] == "false"
    assert data["USER_LIST"] == "ALICE, BOB"
    assert [data[f"ALICE_{key}"] for key in ("USERNAME", "HASHED_PASSWORD", "ROLE")] == [
        "alice",
        "A",
        "admin",
    ]
    assert "HUGGING_FACE_HUB_TOKEN" not in data


def test_defects_that_are_not_kept() -> None:
    settings = original()
    cluster = ray_cluster(settings, pod_templates(settings, IMAGE))
    pods = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in pods):
        for container in pod.get("initContainers", []):  # no chown as root at every start
            assert "runAsUser" not in container["securityContext"]
        assert all("envFrom" not in container for container in pod["containers"])
    # Whoever reaches the dashboard can run code, so it needs Ray's token and is not exposed.
    assert cluster["spec"]["authOptions"]["mode"] == "token"
    assert "8265" not in str(services.ingress(settings)) + str(services.api_service(settings))
