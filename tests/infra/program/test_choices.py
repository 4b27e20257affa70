"""Optional parts of a stack: existing objects, prebuilt images, and the other delivery."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.specs.serve_config import PROXIES
from infra.specs.services import ANY_NODE, PENDING, UNKNOWN
from tests.infra.program.harness import CLUSTER_IP, DIGEST, HIDDEN, NODE_PORT, run

REF = "registry.example.com/llm/ray-vllm@sha256:" + "2" * 64


def test_an_existing_claim_is_used_and_not_created() -> None:
    program = run("prod", storage__existing=True, storage__claim="theirs")
    assert "PersistentVolumeClaim model-cache" not in program.custom
    for key in ("RayCluster ray-cluster", "DownloadJob download-Dolphin3.0"):
        assert "'claimName': 'theirs'" in str(program[key].inputs)


def test_an_existing_namespace_is_used_and_not_created() -> None:
    program = run("prod", cluster__createNamespace=False)
    assert "Namespace namespace" not in program.custom
    assert program["Secret auth-config"].inputs["metadata"]["namespace"] == "kuberay-projects"


def test_an_existing_operator_is_used_and_not_created() -> None:
    program = run("prod", operator__install=False)
    assert not {key for key in program.custom if "kuberay" in key}
    assert "RayCluster ray-cluster" in program.custom


def test_the_operator_from_a_folder_and_a_custom_registry() -> None:
    program = run(
        "prod",
        operator__chart="/charts/kuberay",
        operator__repository=None,
        operator__image="localhost:5000/kuberay/operator:v1.6.2",
        operator__crds="/charts/crds",
    )
    assert program.chart["path"] == "/charts/kuberay"
    assert not {"chart", "fetch_opts", "version"} & set(program.chart)
    assert program.chart["values"]["image"] == {
        "repository": "localhost:5000/kuberay/operator",
        "tag": "v1.6.2",
    }
    assert program["KubeRayCrds kuberay-crds"].inputs["source"] == "/charts/crds"


def test_a_prebuilt_image_is_not_built() -> None:
    program = run("prod", image={"ref": REF})
    assert "Image image" not in program.custom
    assert REF in str(program["RayCluster ray-cluster"].inputs["spec"])
    assert program.outputs["image"] == REF


def test_a_plain_docker_engine_builds_the_same_image() -> None:
    secrets = {"registryUsername": "me", "registryPassword": "canary"}
    program = run("prod", secrets, image__builder="docker")
    image = program["Image image"]
    assert image.type == "docker:index/image:Image"
    assert image.options["version"]
    buildx = run("prod")["Image image"].inputs
    assert image.inputs["imageName"] == buildx["tags"][0]
    assert image.inputs["build"] == {
        "context": buildx["context"]["location"],
        "dockerfile": buildx["dockerfile"]["location"],
        "platform": buildx["platforms"][0],
        "args": buildx["buildArgs"],
    }
    assert (image.inputs["skipPush"], image.inputs["buildOnPreview"]) == (False, False)
    assert image.shown["registry"] == {
        "server": "registry.example.com",
        "username": HIDDEN,
        "password": HIDDEN,
    }
    assert program.outputs["image"] == f"registry.example.com/llm@{DIGEST}"
    assert program.outputs["image"] in str(program["RayCluster ray-cluster"].inputs["spec"])


def test_the_second_delivery_is_one_ray_service_after_the_downloads() -> None:
    program = run("prod", serve__delivery="rayService")
    assert {
        "RayCluster ray-cluster",
        "PodRollout pods",
        "ConfigMap wanted-applications",
    }.isdisjoint(program.custom)
    service = program["RayService ray-service"]
    assert json.loads(service.inputs["metadata"]["annotations"]["pulumi.com/waitFor"]) == [
        "condition=Ready",
        "condition=UpgradeInProgress=False",
    ]
    assert {
        "DownloadJob download-Dolphin3.0",
        "Deployment kuberay-operator",
        "PersistentVolumeClaim model-cache",
        "Secret auth-config",
    } <= program.waits_for("RayService ray-service")
    assert service.options["customTimeouts"] == {
        "create": "3000s",
        "update": "3000s",
        "delete": "600s",
    }
    # KubeRay sends the applications, and `up` waits for them.
    applications = program["ServeApplications applications"].inputs
    assert (applications["sends"], applications["wanted"]) == (False, "")
    assert applications["config"] == yaml.safe_load(service.inputs["spec"]["serveConfigV2"])
    assert "RayService ray-service" in program.waits_for("ServeApplications applications")
    assert program.outputs["models"] == {"Dolphin3.0": {"status": "RUNNING"}}


@pytest.mark.parametrize("delivery", ["restApi", "rayService"])
def test_the_removal_of_a_cluster_waits_for_its_streams(delivery: str) -> None:
    """Pulumi waits for the pods, by default for 10 minutes."""
    program = run("prod", serve__delivery=delivery, models__0__drainSeconds=3600)
    (cluster,) = (r for k, r in program.custom.items() if k.startswith(("RayC", "RayS")))
    template = cluster.inputs["spec"].get("rayClusterConfig", cluster.inputs["spec"])
    (grace, *_) = (
        group["template"]["spec"]["terminationGracePeriodSeconds"]
        for group in template["workerGroupSpecs"]
    )
    assert cluster.options["customTimeouts"]["delete"] == f"{int(grace) + 300}s"
    assert grace > 3600


def test_an_ingress_is_for_the_api_alone() -> None:
    ingress: dict[str, Any] = {"host": "llm.example.com", "tlsSecret": "llm-tls"}
    program = run("prod", serve={"ingress": ingress})
    (rule,) = program["Ingress api"].inputs["spec"]["rules"]
    assert rule["host"] == "llm.example.com"
    (path,) = rule["http"]["paths"]
    service = program["Service api"].inputs
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert program.outputs["apiUrl"] == "https://llm.example.com"
    assert "https://llm.example.com/token" in program.outputs["curl"]
    del ingress["tlsSecret"]
    assert run("prod", serve={"ingress": ingress}).outputs["apiUrl"] == "http://llm.example.com"


def test_an_empty_stack_is_a_cluster_without_models() -> None:
    program = run("prod", models=[])
    assert not [key for key in program.custom if key.startswith("DownloadJob ")]
    (proxies,) = program["ServeApplications applications"].inputs["config"]["applications"]
    assert proxies["name"] == PROXIES
    assert program.outputs["curl"] == ""


def test_ci_previews_know_a_prebuilt_image() -> None:
    shown = run("prod", preview=True, image={"ref": REF})
    assert shown.outputs["image"] == REF
    assert REF in str(shown["RayCluster ray-cluster"].inputs["spec"])


def test_the_build_and_the_downloads_share_proxies_and_certificates(tmp_path: Path) -> None:
    authorities = tmp_path / "ca.pem"
    authorities.write_text("-----BEGIN CERTIFICATE-----")
    proxies = {"httpsProxy": "http://proxy:3128", "noProxy": ["registry.corp.example"]}
    program = run("prod", network={**proxies, "caFile": str(authorities)})
    image = program["Image image"].inputs
    assert image["buildArgs"]["HTTPS_PROXY"] == "http://proxy:3128"
    assert image["buildArgs"]["NO_PROXY"].endswith(".svc,.cluster.local,registry.corp.example")
    assert image["secrets"]["ca.pem"] == "-----BEGIN CERTIFICATE-----"
    secret = program["Secret deepseek-raycluster-hub-token"].inputs
    assert secret["stringData"] == {"ca.pem": "-----BEGIN CERTIFICATE-----"}
    job = str(program["DownloadJob download-Dolphin3.0"].inputs)
    assert "http://proxy:3128" in job
    assert "http://proxy:3128" not in str(program["RayCluster ray-cluster"].inputs)


def test_without_a_network_nothing_of_it_is_anywhere() -> None:
    program = run("prod")
    assert set(program["Image image"].inputs["buildArgs"]) == {
        "BASE",
        "REQUIREMENTS",
        "SOURCE_DATE_EPOCH",
    }
    assert "Secret deepseek-raycluster-hub-token" not in program.custom
    assert "PROXY" not in str(program["DownloadJob download-Dolphin3.0"].inputs["job"])


@pytest.mark.parametrize(
    ("service", "published", "url"),
    [
        ({}, "", f"http://{CLUSTER_IP}:8000"),
        ({"type": "NodePort"}, "", f"http://{ANY_NODE}:{NODE_PORT}"),
        ({"type": "NodePort", "nodePort": 30080}, "", f"http://{ANY_NODE}:30080"),
        ({"type": "LoadBalancer"}, "192.0.2.7", "http://192.0.2.7:8000"),
        ({"type": "LoadBalancer"}, "2001:db8::7", "http://[2001:db8::7]:8000"),
        ({"type": "LoadBalancer"}, "a.example.com", "http://a.example.com:8000"),
        ({"type": "LoadBalancer"}, "", f"http://{PENDING}:8000"),
    ],
    ids=str,
)
def test_the_url_of_each_type_of_service(service: dict[str, Any], published: str, url: str) -> None:
    program = run("prod", serve={"service": service}, published=published)
    assert program.outputs["apiUrl"] == url
    assert f"{url}/token" in program.outputs["curl"]


def test_the_address_of_a_load_balancer_is_looked_for_last() -> None:
    program = run("prod", serve={"service": {"type": "LoadBalancer"}})
    assert {"Service api", "ServeApplications applications"} <= program.waits_for(
        "PublishedAddress api-address"
    )
    for serve in ({}, {"service": {"type": "LoadBalancer"}, "ingress": {"host": "a.example"}}):
        assert "PublishedAddress api-address" not in run("prod", serve=serve).custom


def test_a_preview_knows_no_address_yet() -> None:
    found = run("prod", preview=True, serve={"service": {"type": "NodePort"}}).outputs["apiUrl"]
    assert found == f"http://{ANY_NODE}:{UNKNOWN}"


def test_an_ingress_is_the_url_whatever_the_service() -> None:
    serve = {"ingress": {"host": "llm.example.com"}, "service": {"type": "LoadBalancer"}}
    assert run("prod", serve=serve).outputs["apiUrl"] == "http://llm.example.com"


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("registry.example.com:5000/llm/ray-vllm", "registry.example.com:5000"),
        ("localhost/llm", "localhost"),
        ("me/ray-vllm", "https://index.docker.io/v1/"),
        ("docker.io/me/ray-vllm", "https://index.docker.io/v1/"),
    ],
)
def test_a_pull_secret_is_for_the_registry_of_the_image(repository: str, address: str) -> None:
    secrets = {"registryUsername": "me", "registryPassword": "pass:word"}
    program = run("prod", secrets, image__repository=repository, image__createPullSecret=True)
    secret = program["Secret pull-secret"]
    assert secret.inputs["type"] == "kubernetes.io/dockerconfigjson"
    assert secret.inputs["metadata"]["namespace"] == "kuberay-projects"
    ((found, login),) = json.loads(secret.inputs["stringData"][".dockerconfigjson"])[
        "auths"
    ].items()
    assert found == address
    assert base64.b64decode(login["auth"]).decode() == "me:pass:word"
    name = {"name": secret.inputs["metadata"]["name"]}
    head = program["RayCluster ray-cluster"].inputs["spec"]["headGroupSpec"]["template"]["spec"]
    assert name in head["imagePullSecrets"]
    assert name in program["ServiceAccount service-account"].inputs["imagePullSecrets"]
    for later in ("RayCluster ray-cluster", "DownloadJob download-Dolphin3.0"):
        assert "Secret pull-secret" in program.waits_for(later)


def test_separate_credentials_are_for_pulling_alone() -> None:
    secrets = {
        "registryUsername": "pusher",
        "registryPassword": "a",
        "pullUsername": "puller",
        "pullPassword": "b",
    }
    program = run("prod", secrets, image__createPullSecret=True)
    content = str(program["Secret pull-secret"].inputs["stringData"])
    assert "puller" in content
    assert "pusher" not in content
    assert program["Image image"].inputs["registries"][0]["username"] == "pusher"


def test_values_of_the_chart_are_merged_under_our_own() -> None:
    values = {"image": {"pullPolicy": "Always"}, "watchNamespace": ["kuberay-projects"]}
    program = run("prod", operator__values=values, operator__image="r.example.com/o:v1.6.2")
    assert program.chart["values"] == {
        "fullnameOverride": "kuberay-operator",
        "image": {"repository": "r.example.com/o", "tag": "v1.6.2", "pullPolicy": "Always"},
        "watchNamespace": ["kuberay-projects"],
    }
