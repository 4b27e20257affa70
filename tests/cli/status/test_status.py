"""`rayline status` against a cluster whose state a test sets: lines, JSON and exit codes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cli import check
from cli.status import command
from cli.status.report import SCHEMA, schema
from infra.specs.serve_config import serve_config
from tests.cli.test_check import write
from tests.infra.providers.applications.ray import TOKEN, App, FakeRay
from tests.infra.providers.common.fake_api_server import CONTEXT, Request, refused
from tests.stacks import values

ROOT = Path(__file__).parents[3]
PATH = "/api/v1/namespaces/{namespace}"


def pod(name: str, group: str, address: str, cards: int = 0, *, ready: bool = True) -> Any:
    head = group == "head"
    limits = {"cpu": "1", **({"nvidia.com/gpu": str(cards)} if cards else {})}
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "labels": {
                "ray.io/node-type": "head" if head else "worker",
                "ray.io/group": "headgroup" if head else group,
            },
        },
        "spec": {"nodeName": "node-1", "containers": [{"resources": {"limits": limits}}]},
        "status": {
            "podIP": address,
            "phase": "Running",
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": str(ready)},
            ],
            "containerStatuses": [
                {"name": "ray", "restartCount": 2, "state": {"running": {"startedAt": "now"}}}
            ],
        },
    }


@dataclass
class Cluster(FakeRay):
    """Serves what the stack wants, until a test changes it."""

    pods: list[Any] = field(default_factory=list)
    node: Any = None
    replicas: dict[str, list[Any]] = field(default_factory=dict)
    service: str = ""
    namespace: str = ""

    def answer(self, request: Request) -> tuple[int, Any]:
        root = PATH.format(namespace=self.namespace)
        if request.path == f"{root}/pods":
            assert "app.kubernetes.io/part-of=" in request.query["labelSelector"]
            return 200, {"items": self.pods}
        if request.path == "/api/v1/nodes/node-1":
            return (200, self.node) if self.node else refused(403, "Forbidden", "nodes")
        if request.path.startswith(f"{root}/secrets/"):
            return 200, {"data": {"auth_token": "Y2FuYXJ5LXJheS10b2tlbg=="}}
        if request.path.startswith(f"{root}/services/{self.service}:8265/proxy/"):
            return self.serve_api(request)
        return refused(404, "NotFound", f"{request.path} not found")

    def details(self) -> dict[str, Any]:
        found = super().details()
        for name, app in found["applications"].items():
            app["deployments"]["VLLMDeployment"]["replicas"] = self.replicas.get(name, [])
        return found


@dataclass
class Stack:
    cluster: Cluster
    settings: Any


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    one = values()
    write(
        tmp_path,
        "prod",
        cluster__context=CONTEXT,
        models=one["models"],
        gpuGroups=one["gpuGroups"][:1],
    )
    settings, problems = check.configured(tmp_path / "Pulumi.prod.yaml")
    assert settings is not None, problems
    (model,), (group,) = settings.models, settings.gpu_groups
    with Cluster() as cluster:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig(tmp_path)))
        cluster.namespace = settings.cluster.namespace
        cluster.service = f"{settings.ray.name}-head-svc"
        cluster.serve(*serve_config(settings)["applications"])
        cluster.pods = [
            pod("head-1", "head", "10.0.0.1"),
            *(
                pod(f"worker-{n}", group.name, f"10.0.0.{n + 2}", group.gpu.count)
                for n in range(group.workers)
            ),
        ]
        cluster.node = {
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "allocatable": {"nvidia.com/gpu": "4", "cpu": "8"},
            },
            "spec": {},
        }
        cluster.replicas = {
            model.name: [
                {"replica_id": f"r{n}", "state": "RUNNING", "node_ip": f"10.0.0.{n + 2}"}
                for n in range(model.replicas)
            ]
        }
        yield Stack(cluster, settings)
        assert {request.method for request in cluster.requests} <= {"GET"}, "it changes nothing"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = command.main([*arguments])
    printed = capsys.readouterr()
    assert TOKEN not in printed.out + printed.err
    return code, printed.out + printed.err


def as_json(capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    code, text = run(capsys, "-s", "prod", "--json")
    value = json.loads(text)
    jsonschema.validate(value, json.loads(SCHEMA.read_text()))
    return code, value


def test_one_line_per_model_replica_pod_node_and_card(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = run(capsys, "-s", "prod")
    lines = text.splitlines()
    assert code == 0, text
    model, group = stack.settings.models[0], stack.settings.gpu_groups[0]
    kinds = [line.split()[0] for line in lines[:-1]]
    assert kinds.count("model") == 1
    assert kinds.count("replica") == model.replicas
    assert kinds.count("pod") == 1 + group.workers
    assert kinds.count("node") == 1
    assert kinds.count("card") == group.workers * group.gpu.count
    assert lines[-1] == "prod: as wanted"
    assert any("4 nvidia.com/gpu" in line for line in lines)
    assert any(line.startswith("replica") and "worker-0 on node node-1" in line for line in lines)


def test_the_json_has_the_documented_schema(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    code, value = as_json(capsys)
    assert (code, value["asWanted"], value["problems"]) == (0, True, [])
    assert value["models"][0]["replicas"][0]["node"] == "node-1"
    assert value["cards"][0]["models"] == [value["models"][0]["name"]]
    assert SCHEMA.read_text() == schema(), "type: .venv/bin/python -m cli.status.report"


def lose(cluster: Cluster) -> None:
    cluster.apps.clear()


def fail(cluster: Cluster) -> None:
    for app in cluster.apps.values():
        app.steps = ["DEPLOY_FAILED"]


def edit(cluster: Cluster) -> None:
    for app in cluster.apps.values():
        app.config = {**app.config, "runtime_env": {"env_vars": {"MODEL_ID": "by hand"}}}


def add(cluster: Cluster) -> None:
    cluster.apps["theirs"] = App({"name": "theirs", "route_prefix": "/t"}, ["RUNNING"])


def stop(cluster: Cluster) -> None:
    cluster.replicas = {
        name: [{**each, "state": "STARTING", "node_ip": None} for each in found]
        for name, found in cluster.replicas.items()
    }


def silence(cluster: Cluster) -> None:
    cluster.fault = lambda _request: refused(503, "ServiceUnavailable", "no endpoints available")


def unready(cluster: Cluster) -> None:
    cluster.pods[1]["status"]["conditions"][1]["status"] = "False"


def remove_head(cluster: Cluster) -> None:
    del cluster.pods[0]


def lose_node(cluster: Cluster) -> None:
    cluster.node["status"]["conditions"][0]["status"] = "Unknown"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lose, "is not there. Type: pulumi up -s prod"),
        (fail, "is DEPLOY_FAILED"),
        (edit, "runs with another configuration than the stack's file. Type: pulumi up -s prod"),
        (add, "theirs runs, but the stack's file does not have it. Type: pulumi up -s prod"),
        (stop, "has 0 of "),
        (silence, "Ray did not answer, so nobody knows which models run"),
        (unready, "started, not ready yet. Type: kubectl --context fake -n"),
        (remove_head, "head has 0 Ready pods of 1. Type: pulumi up -s prod"),
        (lose_node, "node node-1 is not Ready. Type: kubectl --context fake describe node node-1"),
    ],
)
def test_whatever_is_not_as_wanted_is_said_and_ends_with_1(
    stack: Stack, capsys: pytest.CaptureFixture[str], change: Any, said: str
) -> None:
    change(stack.cluster)
    code, text = run(capsys, "-s", "prod")
    assert code == 1
    assert said in text
    assert "prod: not as wanted: 1" in text
    code, value = as_json(capsys)
    assert (code, len(value["problems"])) == (1, 1)


def test_nodes_that_may_not_be_read_are_unknown_and_no_problem(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.cluster.node = None
    code, value = as_json(capsys)
    assert code == 0
    assert value["nodes"] == [{"name": "node-1", "ready": None, "schedulable": None, "cards": None}]


def test_a_cluster_that_does_not_answer_ends_with_2(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeRay() as gone:
        gone.kubeconfig(tmp_path)
    for arguments in (("-s", "prod"), ("-s", "prod", "--json")):
        code, text = run(capsys, *arguments)
        assert code == 2
        assert "`kubectl --context fake version` should answer" in text


def test_wrong_input_says_what_to_type(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "-s", "production")
    assert code == 2
    assert "stacks: prod. Type: rayline status -s prod" in text
    write(Path.cwd(), "prod", models__0__gpuGroup=7)
    code, text = run(capsys, "-s", "prod")
    assert code == 2
    assert "Type: rayline check -s prod" in text
    with pytest.raises(SystemExit) as ended:
        command.main([])
    assert ended.value.code == 2
