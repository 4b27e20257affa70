"""The API's Service and Ingress on a real API server without any controller for them.

Nothing publishes an address, as with ingress controllers and load balancers that never do.
"""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from infra.specs.services import PENDING
from tests.apiserver.server import CONTEXT, ApiServer
from tests.infra.providers.engine.programs import Program, with_kubernetes

# Seconds for each command of the engine, and the binaries of `make tools`.
pytestmark = [pytest.mark.cluster, pytest.mark.engine, pytest.mark.apiserver]

# Pulumi would wait 10 minutes for an address, and fail.
SOON = 110.0
HELD_SECONDS = 8.0
HOLD = "rayline.dev/test"
IMPORTS = (
    "import pulumi_kubernetes as kubernetes\nfrom infra.components.serving import Api, ApiArgs"
)
RESOURCE = (
    "Api('api', ApiArgs(**args), pulumi.ResourceOptions(providers={'kubernetes':\n"
    "    kubernetes.Provider('cluster', context=args['context'])}))\n"
    "pulumi.export('address', made.address(pulumi.ResourceOptions()))"
)


@pytest.fixture
def program(tmp_path: Path, api_server: ApiServer) -> Program:
    made = with_kubernetes(tmp_path, api_server)
    made.write(IMPORTS, RESOURCE)
    return made


def service(namespace: str, name: str = "rayline-api", **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 8000, "targetPort": "serve"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "ClusterIP", "selector": {"a": "b"}, "ports": ports, **spec},
    }


def ingress(namespace: str, name: str = "rayline-api", **annotations: str) -> dict[str, Any]:
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"rules": [{"host": "llm.example.com", "http": {"paths": paths}}]},
    }


def up(program: Program, **manifests: Any) -> str:
    program.args(context=CONTEXT, **manifests)
    began = time.monotonic()
    shown = program.up()
    assert time.monotonic() - began < SOON
    return shown


def endpoints(api_server: ApiServer, namespace: str) -> None:
    """Pods that are not Ready, which Pulumi would wait for in every `up`."""
    api_server.create(
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "rayline-api", "namespace": namespace},
            "subsets": [{"notReadyAddresses": [{"ip": "10.1.1.1"}], "ports": [{"port": 8000}]}],
        }
    )


@pytest.mark.parametrize("kind", ["ClusterIP", "LoadBalancer"])
def test_no_address_and_no_ready_pod_are_no_failure(
    program: Program, api_server: ApiServer, api_namespace: str, kind: str
) -> None:
    place = api_namespace
    endpoints(api_server, place)
    up(program, service=service(place, type=kind), ingress=ingress(place))
    assert program.outputs()["address"].endswith(":8000")
    changed = ingress(place, **{"example.com/timeout": "600"})
    # Nobody publishes an address of the load balancer, so every `up` looks again.
    updated = 3 if kind == "LoadBalancer" else 2
    assert f"{updated} updated" in up(
        program, service=service(place, type=kind, selector={"a": "c"}), ingress=changed
    )
    assert "unchanged" in program.refresh()
    live = api_server.get("networking.k8s.io/v1", "Ingress", "rayline-api", place)
    assert live["metadata"]["annotations"]["example.com/timeout"] == "600"
    program.destroy()
    assert api_server.find("v1", "Service", "rayline-api", place) is None
    assert api_server.find("networking.k8s.io/v1", "Ingress", "rayline-api", place) is None


def test_an_address_that_is_published_later_is_shown_by_the_next_up(
    program: Program, api_server: ApiServer, api_namespace: str
) -> None:
    balanced = service(api_namespace, type="LoadBalancer")
    up(program, service=balanced, ingress=None)
    assert program.outputs()["address"] == f"{PENDING}:8000"
    assert "1 to update" in program.run("preview", "--non-interactive")
    up(program, service=balanced, ingress=None)
    assert program.outputs()["address"] == f"{PENDING}:8000"
    api_server.set_status(balanced, loadBalancer={"ingress": [{"ip": "192.0.2.7"}]})
    up(program, service=balanced, ingress=None)
    assert program.outputs()["address"] == "192.0.2.7:8000"
    assert "unchanged" in up(program, service=balanced, ingress=None)
    program.run("preview", "--non-interactive", "--expect-no-changes")
    # An address that changed is not looked for, but a refresh sees it.
    balancer = {"ingress": [{"hostname": "b.example.com"}]}
    api_server.set_status(balanced, loadBalancer=balancer)
    program.run("up", "--refresh", "--yes", "--skip-preview", "--non-interactive")
    assert program.outputs()["address"] == "b.example.com:8000"
    program.destroy()


def held(api_server: ApiServer, manifest: dict[str, Any]) -> threading.Thread:
    """Its deletion takes HELD_SECONDS from now on, as a load balancer's does."""
    api_server.patch(manifest, {"metadata": {"finalizers": [HOLD]}})

    def release() -> None:
        path = api_server.path_of(manifest)
        deadline = time.monotonic() + 120
        while "deletionTimestamp" not in api_server.call("GET", path)["metadata"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(HELD_SECONDS)
        api_server.patch(manifest, {"metadata": {"finalizers": None}})

    thread = threading.Thread(target=release)
    thread.start()
    return thread


def test_an_object_that_is_replaced_under_its_name_is_gone_before_it_is_made_again(
    program: Program, api_server: ApiServer, api_namespace: str
) -> None:
    place = api_namespace
    first = service(place, clusterIP="10.96.1.1")
    up(program, service=first, ingress=None)
    uid = api_server.get("v1", "Service", "rayline-api", place)["metadata"]["uid"]
    release = held(api_server, first)
    up(program, service=service(place, clusterIP="10.96.1.2"), ingress=None)
    release.join()
    live = api_server.get("v1", "Service", "rayline-api", place)
    assert live["spec"]["clusterIP"] == "10.96.1.2"
    assert live["metadata"]["uid"] != uid
    assert "deletionTimestamp" not in live["metadata"]


def test_a_renamed_ingress_can_be_renamed_back_at_once(
    program: Program, api_server: ApiServer, api_namespace: str
) -> None:
    place = api_namespace
    names = {"service": service(place), "ingress": ingress(place)}
    up(program, **names)
    release = held(api_server, names["ingress"])
    up(program, service=service(place, "other"), ingress=ingress(place, "other"))
    release.join()
    up(program, **names)
    live = api_server.get("networking.k8s.io/v1", "Ingress", "rayline-api", place)
    assert "deletionTimestamp" not in live["metadata"]
    assert api_server.find("networking.k8s.io/v1", "Ingress", "other", place) is None
