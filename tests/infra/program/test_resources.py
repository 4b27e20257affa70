"""The resources of each stack, their order, and which of them outlive the stack."""

import json
import socket
from typing import NoReturn

import pytest

from infra.providers.plugin.resources import PROVIDERS
from infra.specs.serve_config import PROXIES
from tests.infra.program.harness import CLUSTER_IP, DIGEST, Program, run, run_values
from tests.infra.program.tokens import TOKENS
from tests.stacks import STACKS, committed, complete

USERS = {"local": ["demo"], "dev": ["alice"], "prod": ["alice", "bob"]}
RAY = {"local": "rayline", "dev": "ray-dev", "prod": "deepseek-raycluster"}
MODEL = {"local": "tiny", "dev": "Dolphin3.0", "prod": "Dolphin3.0"}
# One that watches the namespace of the stack, and has rights in it alone.
OPERATOR = {
    "ServiceAccount kuberay-operator",
    "Service kuberay-operator",
    "Deployment kuberay-operator",
    "Role kuberay-operator-leader-election",
    "RoleBinding kuberay-operator-leader-election",
    "Role kuberay-projects/kuberay-operator",
    "RoleBinding kuberay-projects/kuberay-operator",
}


@pytest.fixture(scope="module", params=STACKS)
def named(request: pytest.FixtureRequest) -> tuple[str, Program]:
    return request.param, run(request.param)


@pytest.fixture(scope="module")
def prod() -> Program:
    return run("prod")


def test_every_resource_of_a_stack(named: tuple[str, Program]) -> None:
    name, program = named
    assert set(program.custom) == {
        "kubernetes cluster",
        "RayDelivery delivery",
        "Ownership ownership",
        "DestroyGuard destroy-guard",
        "GroupOrder gpu-groups",
        "Image image",
        "Namespace kuberay-operator",
        "KubeRayCrds kuberay-crds",
        *OPERATOR,
        "Namespace namespace",
        "PersistentVolumeClaim model-cache",
        "PersistentVolumeClaim ray-store",
        *(f"RandomSecret password-{user}" for user in USERS[name]),
        "RandomSecret jwt-key",
        "RandomSecret ray-token",
        "SecretVersion ray-token-version",
        "Secret auth-config",
        f"Secret {RAY[name]}-token",
        "ServiceAccount service-account",
        f"DownloadJob download-{MODEL[name]}",
        "RayCluster ray-cluster",
        "PodRollout pods",
        "ConfigMap wanted-applications",
        "ServeApplications applications",
        *(["Ingress api"] if name == "prod" else []),
        "Service api",
    }


def test_type_tokens_never_change() -> None:
    everything = run_values(complete(committed("prod")))
    balanced = run("prod", serve={"service": {"type": "LoadBalancer"}})
    declared = [*everything.resources.values(), *balanced.resources.values()]
    ours = {found.type for found in declared if "rayline:" in found.type}
    assert ours == TOKENS
    provided = {provider.type for provider in PROVIDERS}
    assert provided == {token for token in TOKENS if token.startswith("rayline:index:")}


def test_the_order_of_the_groups_is_kept_with_what_identifies_the_cluster(prod: Program) -> None:
    assert prod["GroupOrder gpu-groups"].inputs == {
        "context": "production",
        "namespace": "kuberay-projects",
        "cluster": "deepseek-raycluster",
        "delivery": "restApi",
        "names": ["rtx-3090", "rtx-3060"],
        "applied": False,
    }
    service = run("prod", serve__delivery="rayService")
    applied = service["GroupOrder applied-groups"].inputs
    assert applied == {**service["GroupOrder gpu-groups"].inputs, "applied": True}
    assert "RayService ray-service" in service.waits_for("GroupOrder applied-groups")


def test_everything_is_in_the_configured_context(named: tuple[str, Program]) -> None:
    name, program = named
    context = program["kubernetes cluster"].inputs["context"]
    assert context == {"local": "rayline-sandbox", "dev": "development", "prod": "production"}[name]
    provider = program["kubernetes cluster"].urn
    for resource in program.custom.values():
        if resource.type.startswith("kubernetes:"):
            assert resource.options["provider"].startswith(provider), resource.name
        if resource.type.startswith("rayline:index:") and "context" in resource.inputs:
            assert resource.inputs["context"] == context


def test_a_renamed_context_is_stored_by_an_update(prod: Program) -> None:
    """In every resource of ours: the cluster is the same, so nothing is created or deleted."""
    providers = {provider.type: provider for provider in PROVIDERS}
    compared = set()
    for resource in prod.custom.values():
        if resource.type in providers and "context" in resource.inputs:
            compared.add(resource.type)
            renamed = {**resource.inputs, "context": "renamed"}
            diff = providers[resource.type].diff("id", dict(resource.inputs), renamed)
            assert (diff.changes, list(diff.replaces)) == (True, []), resource.type
    assert len(compared) >= 5


def test_nothing_is_touched_before_the_checks(named: tuple[str, Program]) -> None:
    """Otherwise a refused `up` would change them. A provider creates no object."""
    _, program = named
    checks = {"Ownership ownership", "GroupOrder gpu-groups"}
    first = {"kubernetes cluster", "RayDelivery delivery"}
    for key in set(program.custom) - first - checks:
        assert program.waits_for(key) >= checks, key
    for key in ("GroupOrder gpu-groups", "RayDelivery delivery"):
        assert "Ownership ownership" in program.waits_for(key)


def test_the_guard_is_what_a_destroy_deletes_first(named: tuple[str, Program]) -> None:
    _, program = named
    guard = "DestroyGuard destroy-guard"
    assert program.waits_for(guard) == set(program.custom) - {guard}


@pytest.mark.parametrize("delivery", ["restApi", "rayService"])
def test_only_the_cluster_depends_on_its_delivery(delivery: str) -> None:
    """The command that a refused switch advises deletes what depends on it."""
    program = run("prod", serve__delivery=delivery)
    needs = {key for key in program.custom if "RayDelivery delivery" in program.waits_for(key)}
    # It creates nothing, and depends on everything.
    needs.remove("DestroyGuard destroy-guard")
    needs.remove("PersistentVolumeClaim ray-store")  # no other cluster may have the store
    assert (
        needs
        == {
            "restApi": {
                "RayCluster ray-cluster",
                "PodRollout pods",
                "ConfigMap wanted-applications",
                "ServeApplications applications",
            },
            "rayService": {
                "RayService ray-service",
                "GroupOrder applied-groups",
                "ServeApplications applications",
            },
        }[delivery]
    )
    # Declared first, so that a refusal comes before everything else.
    ours = [r for r in program.resources.values() if r.type.startswith("rayline:")]
    assert [resource.name for resource in ours[:3]] == ["ownership", "delivery", "gpu-groups"]


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        ("Deployment kuberay-operator", "KubeRayCrds kuberay-crds"),
        ("Deployment kuberay-operator", "Namespace kuberay-operator"),
        ("PersistentVolumeClaim model-cache", "Namespace namespace"),
        ("Secret auth-config", "Namespace namespace"),
        ("DownloadJob download-Dolphin3.0", "PersistentVolumeClaim model-cache"),
        ("DownloadJob download-Dolphin3.0", "Image image"),
        ("DownloadJob download-Dolphin3.0", "ServiceAccount service-account"),
        ("RayCluster ray-cluster", "Deployment kuberay-operator"),
        ("RayCluster ray-cluster", "PersistentVolumeClaim model-cache"),
        ("RayCluster ray-cluster", "Secret auth-config"),
        ("RayCluster ray-cluster", "Secret deepseek-raycluster-token"),
        ("RayCluster ray-cluster", "ServiceAccount service-account"),
        ("PodRollout pods", "RayCluster ray-cluster"),
        ("ServeApplications applications", "PodRollout pods"),
        # Before the applications change, and not before weights have arrived.
        ("ServeApplications applications", "ConfigMap wanted-applications"),
        ("ConfigMap wanted-applications", "DownloadJob download-Dolphin3.0"),
        ("ServeApplications applications", "DownloadJob download-Dolphin3.0"),
    ],
)
def test_the_order(prod: Program, later: str, earlier: str) -> None:
    assert earlier in prod.waits_for(later)


def test_pods_start_while_weights_are_downloaded(prod: Program) -> None:
    assert "DownloadJob download-Dolphin3.0" not in prod.waits_for("RayCluster ray-cluster")
    assert "RayCluster ray-cluster" not in prod.waits_for("DownloadJob download-Dolphin3.0")
    assert "ConfigMap wanted-applications" not in prod.waits_for("RayCluster ray-cluster")


def test_a_protected_claim_outlives_the_stack_and_the_rest_does_not(prod: Program) -> None:
    def kept(program: Program) -> set[str]:
        return {
            k for k, resource in program.custom.items() if resource.options.get("retainOnDelete")
        }

    # An image is the registry's to clean up, and namespaces are Ownership's.
    always = {"Image image", "Namespace namespace", "Namespace kuberay-operator"}
    assert kept(prod) == {"PersistentVolumeClaim model-cache", *always}
    assert kept(run("dev")) == always
    assert not any(resource.options.get("protect") for resource in prod.custom.values())


def test_the_operator_and_its_crds_have_the_same_version(prod: Program) -> None:
    crds = prod["KubeRayCrds kuberay-crds"]
    assert crds.inputs["version"] == prod.chart["version"] == "1.6.2"
    assert "/v1.6.2/" in crds.inputs["source"]
    assert prod.chart["skip_crd_rendering"] is True
    assert prod.chart["fetch_opts"] == {"repo": "https://ray-project.github.io/kuberay-helm/"}
    assert crds.inputs["keep"] is True


def test_the_image_is_built_and_used_by_digest(prod: Program) -> None:
    image = prod["Image image"]
    assert image.type == "docker-build:index:Image"
    assert image.inputs["tags"] == ["registry.example.com/llm/ray-vllm:prod"]
    assert image.inputs["buildOnPreview"] is False
    assert image.inputs["buildArgs"]["BASE"] == "rayproject/ray:2.60.0-py311-cu130"
    reference = f"registry.example.com/llm/ray-vllm@{DIGEST}"
    assert prod.outputs["image"] == reference
    for key in ("RayCluster ray-cluster", "DownloadJob download-Dolphin3.0"):
        assert reference in str(prod[key].inputs)


def test_the_rest_api_gets_the_whole_configuration(prod: Program) -> None:
    inputs = prod["ServeApplications applications"].inputs
    names = [app["name"] for app in inputs["config"]["applications"]]
    assert names == ["Dolphin3.0", PROXIES]
    assert inputs["head_service"] == "deepseek-raycluster-head-svc"
    assert inputs["deadline_seconds"] == 1200
    assert inputs["replace_foreign"] is False
    wanted = prod["ConfigMap wanted-applications"].inputs
    assert inputs["wanted"] == wanted["metadata"]["name"]
    assert json.loads(wanted["data"]["applications.json"]) == inputs["config"]
    program = run("prod", serve__replaceForeign=True)
    assert program["ServeApplications applications"].inputs["replace_foreign"] is True


def test_the_rollout_gets_the_hashes_of_the_cluster(prod: Program) -> None:
    spec = prod["RayCluster ray-cluster"].inputs["spec"]
    templates = {"head": spec["headGroupSpec"]["template"]} | {
        group["groupName"]: group["template"] for group in spec["workerGroupSpecs"]
    }
    wanted = prod["PodRollout pods"].inputs["groups"]
    assert {name: group["hash"] for name, group in wanted.items()} == {
        name: template["metadata"]["annotations"]["rayline.dev/template-hash"]
        for name, template in templates.items()
    }
    assert {name: group["replicas"] for name, group in wanted.items()} == {
        "head": 1,
        "rtx-3090": 2,
        "rtx-3060": 0,
    }


def test_up_waits_slightly_longer_than_a_downloads_own_deadline(prod: Program) -> None:
    download = prod["DownloadJob download-Dolphin3.0"].inputs
    assert download["job"]["spec"]["activeDeadlineSeconds"] == 14400
    assert download["deadline_seconds"] == 14460


def test_the_outputs_inside_a_cluster() -> None:
    prod = run("prod", serve={})
    assert prod.outputs["apiUrl"] == f"http://{CLUSTER_IP}:8000"
    assert prod.outputs["apiService"] == (
        "http://deepseek-raycluster-api.kuberay-projects.svc:8000"
    )
    assert prod.outputs["dashboard"] == (
        "kubectl --context production -n kuberay-projects "
        "port-forward service/deepseek-raycluster-head-svc 8265:8265"
    )
    assert prod.outputs["models"] == {"Dolphin3.0": {"status": "RUNNING"}}
    assert f"http://{CLUSTER_IP}:8000/token" in prod.outputs["curl"]
    assert "username=alice" in prod.outputs["curl"]
    assert "Ingress api" not in prod.custom


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("delivery", ["restApi", "rayService"])
def test_a_first_preview_shows_everything_without_network_access(
    stack: str, delivery: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digest, address and passwords are not known yet; no process or network is used."""

    def refuse(*_args: object, **_more: object) -> NoReturn:
        raise AssertionError("a preview makes a request")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("subprocess.Popen", refuse)
    shown = run(stack, preview=True, serve__delivery=delivery)
    made = run(stack, serve__delivery=delivery)
    assert set(shown.custom) == set(made.custom)
    assert shown.outputs["image"] is None
    assert shown.outputs["dashboard"] == made.outputs["dashboard"]
