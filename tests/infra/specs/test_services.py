"""Service and Ingress: which pods receive requests, and from where."""

import pytest
import yaml

from infra.specs import services
from infra.specs.pod_templates import pod_templates
from infra.specs.ray_cluster import ray_cluster_spec
from infra.specs.ray_service import ray_service
from infra.specs.serve_config import serve_config
from tests.infra.specs.original import IMAGE, ORIGINAL, original

TEMPLATES = pod_templates(original(), IMAGE)


def test_the_service_selects_the_workers_and_not_the_head() -> None:
    settings = original()
    selector = services.api_service(settings)["spec"]["selector"]
    spec = ray_cluster_spec(settings, TEMPLATES)
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    # KubeRay's own label, on every pod (pod.go, labelPod).
    kinds = ["head", *["worker"] * len(spec["workerGroupSpecs"])]
    selected = [
        selector.items()
        <= {**group["template"]["metadata"]["labels"], "ray.io/node-type": kind}.items()
        for group, kind in zip(groups, kinds, strict=True)
    ]
    assert selected == [False, True, True]


def test_the_port_is_the_one_that_serve_listens_on() -> None:
    settings = original(serve={"port": 9000})
    (port,) = services.api_service(settings)["spec"]["ports"]
    head = pod_templates(settings, IMAGE).head.template["spec"]
    named = {p["name"]: p["containerPort"] for p in head["containers"][0]["ports"]}
    assert named[port["targetPort"]] == port["port"] == 9000
    assert serve_config(settings)["http_options"] == {"host": "0.0.0.0", "port": 9000}


def test_the_ingress_leads_to_the_service() -> None:
    settings = original(
        serve={
            "ingress": {"host": "a.b", "className": "nginx", "annotations": {"x/y": "z"}},
        }
    )
    ingress = services.ingress(settings)
    service = services.api_service(settings)
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (rule["host"], path["path"]) == ("a.b", "/")
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert path["backend"]["service"]["port"]["name"] == service["spec"]["ports"][0]["name"]
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["metadata"]["annotations"] == {"x/y": "z"}
    assert "tls" not in ingress["spec"]


def test_no_ingress_is_made_where_none_is_configured() -> None:
    with pytest.raises(ValueError, match="rayline:serve"):
        services.ingress(original(serve={}))


def test_both_deliveries_have_the_same_cluster_and_applications() -> None:
    settings = original()
    service = ray_service(settings, TEMPLATES)["spec"]
    assert service["rayClusterConfig"] == ray_cluster_spec(settings, TEMPLATES)
    assert yaml.safe_load(service["serveConfigV2"]) == serve_config(settings)


@pytest.mark.parametrize(("upgrade", "strategy"), [("recreate", "NewCluster"), ("manual", "None")])
def test_the_upgrade_is_kuberays_own_in_a_ray_service(upgrade: str, strategy: str) -> None:
    settings = original(ray={**ORIGINAL["ray"], "upgrade": upgrade})
    assert ray_service(settings, TEMPLATES)["spec"]["upgradeStrategy"] == {"type": strategy}


def test_no_upgrade_strategy_is_in_the_cluster() -> None:
    # KubeRay's Recreate would replace every pod for an edit of one group.
    assert "upgradeStrategy" not in ray_cluster_spec(original(), TEMPLATES)
