"""Each worker has a proxy of Serve, and the API's Service leads to it while it listens."""

import ast
import json
from typing import Any

import pytest

from infra.providers.applications import seen
from infra.specs import names, pods, worker_lifecycle
from infra.specs.pod_templates import pod_templates
from infra.specs.serve_config import (
    PROXIES,
    PROXIES_DEPLOYMENT,
    PROXIES_IMPORT_PATH,
    PROXIES_ROUTE,
    serve_config,
)
from tests.infra.specs.original import IMAGE, original
from tests.stacks import ROOT

GROUPS: dict[str, dict[str, Any]] = {
    "one": {"workers": 1, "enabled": True},
    "three": {"workers": 3, "enabled": True},
    "off": {"workers": 2, "enabled": False},
}


def applications(**groups: dict[str, Any]) -> list[dict[str, Any]]:
    settings = original()
    first = settings.gpu_groups[0]
    made = tuple(
        first.model_copy(update={"name": name, **values}) for name, values in groups.items()
    )
    stack = settings.model_copy(update={"gpu_groups": made})
    return [app for app in serve_config(stack)["applications"] if app["name"] == PROXIES]


@pytest.mark.parametrize(
    ("chosen", "replicas"), [(["one"], 1), (["one", "three"], 4), (["one", "off"], 1)]
)
def test_there_is_a_replica_per_worker(chosen: list[str], replicas: int) -> None:
    (found,) = applications(**{name: GROUPS[name] for name in chosen})
    assert [each["num_replicas"] for each in found["deployments"]] == [replicas]
    assert found["route_prefix"] == PROXIES_ROUTE


def test_without_workers_there_is_none() -> None:
    """Serve refuses a deployment of no replicas."""
    assert applications(off=GROUPS["off"]) == []


def test_names_are_those_of_the_service_and_of_the_plug_in() -> None:
    """The module is read and not imported: Ray is in the image alone."""
    module, _, function = PROXIES_IMPORT_PATH.partition(":")
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    assert function in [each.name for each in tree.body if isinstance(each, ast.FunctionDef)]
    constants = {
        ast.unparse(each.targets[0]): ast.unparse(each.value)
        for each in tree.body
        if isinstance(each, ast.Assign)
    }
    shared = {"DEPLOYMENT": PROXIES_DEPLOYMENT, "WORKER_RESOURCE": pods.WORKER_RESOURCE}
    assert {name: repr(value) for name, value in shared.items()}.items() <= constants.items()
    assert seen.PROXIES == PROXIES


def test_workers_alone_offer_the_resource() -> None:
    settings = original()
    assert pods.WORKER_RESOURCE not in str(pods.head_start_params(settings))
    for group in settings.gpu_groups:
        offered = json.loads(pods.worker_start_params(settings, group)["resources"].strip("'"))
        assert offered == {group.name: 1000, pods.WORKER_RESOURCE: 1000}


def test_a_worker_is_ready_while_its_proxy_listens_and_the_head_as_kuberay_sees_it() -> None:
    settings = original(serve={"port": 9000})
    templates = pod_templates(settings, IMAGE)
    for template in templates.groups.values():
        container = template.template["spec"]["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports[container["readinessProbe"]["tcpSocket"]["port"]] == 9000
        # Else the liveness probe would end a worker whose raylet is slow to start.
        assert container["startupProbe"]["httpGet"]["port"] == worker_lifecycle.AGENT_PORT
    head = templates.head.template["spec"]["containers"][0]
    assert head["name"] == names.HEAD_CONTAINER
    assert not {"startupProbe", "readinessProbe", "livenessProbe"} & set(head)


def test_a_worker_of_a_rayservice_is_ready_when_its_replica_says_so() -> None:
    """Its cluster may be a second one, which does not serve yet."""
    settings = original(serve={"port": 9000, "delivery": "rayService"})
    for template in pod_templates(settings, IMAGE).groups.values():
        probe = template.template["spec"]["containers"][0]["readinessProbe"]
        assert probe["httpGet"] == {"path": "/", "port": names.READY_PORT}
        assert "tcpSocket" not in probe
    (found,) = [app for app in serve_config(settings)["applications"] if app["name"] == PROXIES]
    assert found["args"] == {"readyPort": str(names.READY_PORT), "servePort": "9000"}
    tree = ast.parse((ROOT / "app" / "proxies.py").read_text(encoding="utf-8"))
    read = {
        each.args[0].value
        for each in ast.walk(tree)
        if isinstance(each, ast.Call) and ast.unparse(each.func) == "args.get"
        if isinstance(each.args[0], ast.Constant)
    }
    assert read == set(found["args"])
    (other,) = applications(one=GROUPS["one"])
    assert "args" not in other


def test_nobody_waits_for_a_proxy_whose_worker_is_lost() -> None:
    config = serve_config(original())
    model = config["applications"][0]["name"]
    live = {
        app["name"]: {"status": "RUNNING", "deployed_app_config": app}
        for app in config["applications"]
    }
    live[PROXIES]["status"] = "UNHEALTHY"
    found = seen.Seen({"applications": live}, config)
    assert found.settled
    assert found.matches
    assert list(found.statuses) == found.running == [model]
    assert found.lines() == [f"{model}: RUNNING"]


def test_lost_proxies_are_sent_again() -> None:
    config = serve_config(original())
    live = {
        app["name"]: {"status": "RUNNING", "deployed_app_config": app}
        for app in config["applications"]
        if app["name"] != PROXIES
    }
    assert not seen.Seen({"applications": live}, config).matches
