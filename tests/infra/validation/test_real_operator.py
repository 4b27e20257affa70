"""KubeRay's own operator, confined as the chart confines it, makes the pods of a stack.

It runs as a process with the rights of the chart's Role in a cluster without nodes, so the pods are
made and admitted, and do not run.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings import StackSettings
from infra.specs import control_store, kernel_cache, names, platform, restore
from infra.specs.manifests import manifests
from infra.specs.pod_security import violations
from tests.apiserver.fixtures import provided
from tests.apiserver.processes import running
from tests.apiserver.server import STRANGER, ApiServer
from tests.stacks import settings

pytestmark = pytest.mark.apiserver

HOME, ELSEWHERE = "watched-by-kuberay", "not-watched"
RBAC = "rbac.authorization.k8s.io/v1"
STARTS_NOTHING_OF_RAY = {
    kernel_cache.INIT_CONTAINER,
    control_store.INIT_CONTAINER,
    restore.CONTAINER,
}


def role(operator: Path) -> list[dict[str, Any]]:
    """The Role and its binding, with the rules that KubeRay generates from its code."""
    rules = yaml.safe_load((operator / "share" / "rbac" / "role.yaml").read_text())["rules"]
    place = {"name": "kuberay-operator", "namespace": HOME}
    return [
        {"apiVersion": RBAC, "kind": "Role", "metadata": place, "rules": rules},
        {
            "apiVersion": RBAC,
            "kind": "RoleBinding",
            "metadata": place,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": place["name"],
            },
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "stranger"}
            ],
        },
    ]


@pytest.fixture(scope="module")
def operator(
    request: pytest.FixtureRequest, api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The operator's log. It has no right outside of HOME."""
    folder = tmp_path_factory.mktemp("operator")
    binary = provided(request, ("kuberay-operator",))["kuberay-operator"]
    kubeconfig = yaml.safe_load(api_server.kubeconfig.read_text()) | {"current-context": STRANGER}
    (folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    spaces = [platform.namespace(settings(cluster__namespace=n)) for n in (HOME, ELSEWHERE)]
    for each in (*spaces, *role(binary.resolve().parents[1])):
        api_server.create(each)
    command = [
        str(binary),
        f"--kubeconfig={folder / 'kubeconfig'}",
        f"--watch-namespace={HOME}",
        "--enable-leader-election=false",
        "--metrics-addr=127.0.0.1:0",
        "--health-probe-bind-address=127.0.0.1:0",
    ]
    log = folder / "operator.log"
    with running(command, log):
        yield log
    for each in reversed(spaces):
        api_server.call("DELETE", api_server.path_of(each))


def cluster(api_server: ApiServer, namespace: str) -> StackSettings:
    wanted = settings(cluster__namespace=namespace, storage__existing=True)
    for each in manifests(wanted):
        if each["kind"] in ("RayCluster", "Secret"):
            api_server.create(each)
    return wanted


def test_a_confined_operator_makes_pods_that_restricted_admits(
    operator: Path, api_server: ApiServer
) -> None:
    cluster(api_server, ELSEWHERE)
    wanted = cluster(api_server, HOME)
    count = 1 + sum(group.workers for group in wanted.gpu_groups if group.enabled)
    try:
        api_server.until(lambda: len(api_server.every("v1", "Pod", HOME)) == count, "pods", 60)
    except AssertionError:
        raise AssertionError(operator.read_text()[-3000:]) from None
    assert api_server.every("v1", "Pod", ELSEWHERE) == []
    assert "forbidden" not in operator.read_text()
    for pod in api_server.every("v1", "Pod", HOME):
        assert violations(pod, "restricted") == []
        containers = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
        if pod["metadata"]["labels"][names.NODE_TYPE_LABEL] == "worker":
            assert "wait-gcs-ready" in {each["name"] for each in containers}
        for each in containers:
            variables = {entry["name"]: entry for entry in each.get("env", ())}
            if each["name"] in STARTS_NOTHING_OF_RAY:
                assert "RAY_AUTH_TOKEN" not in variables
                continue
            assert "valueFrom" not in variables["RAY_AUTH_TOKEN"], each["name"]
            assert not variables["RAY_AUTH_TOKEN"].get("value")
            assert variables["RAY_AUTH_MODE"]["value"] == "token"
            (file,) = (m for m in each["volumeMounts"] if m["mountPath"] == names.RAY_TOKEN_FILE)
            assert variables["RAY_AUTH_TOKEN_PATH"]["value"] == file["mountPath"]
