"""rayline's own stack under the real engine, in a real API server without nodes.

Everything is declared as in production, except for what needs running pods: the rollout and the
Serve applications. Download Jobs are completed by hand.
"""

import contextlib
import json
import os
import shlex
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import toolchain
from infra.settings.framework.kuberay import crds
from tests.apiserver.server import CONTEXT, ApiServer, Refused
from tests.infra.providers.engine.programs import Program
from tests.stacks import EXAMPLE, edited
from toolchain import pulumi

NAMESPACE = "llm"
STACK = "rayline.dev/stack"
RELEASED = "rayline.dev/released"
DIGEST = "registry.example.com/llm@sha256:" + "1" * 64
PROGRAM = """
from infra import configuration, stack
from infra.components import delivery
from infra.specs.ray_cluster import ray_cluster
import pulumi_kubernetes as kubernetes

def deploy(self, settings, templates, needed):
    manifest = ray_cluster(settings, templates)
    kubernetes.apiextensions.CustomResource("ray-cluster", api_version=manifest["apiVersion"],
        kind=manifest["kind"], metadata=manifest["metadata"], spec=manifest["spec"],
        opts=needed.after(*needed.pods))
    return {}

delivery.RestApi.deploy = deploy
made = stack.build(configuration.load(), "lab")
"""


NAMES = ("pulumi", "pulumi-language-python", "pulumi-resource-kubernetes")


def tools(folder: Path) -> dict[str, str]:
    """Variables with which Pulumi finds its Kubernetes provider; skips the test where it is not
    there yet."""
    found = toolchain.present(NAMES)
    if found is None:
        pytest.skip("no Kubernetes provider: type `make tools`")
    pulumi.link(found, folder / "bin", folder / "home")
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    return {"PATH": path, "PULUMI_HOME": str(folder / "home")}


@dataclass
class LiveStack(Program):
    """A stack whose configuration is the small example with changes."""

    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.variables}

    def begin(self) -> None:
        self.write("", f"None\n{PROGRAM}")
        self.args()

    def configure(self, **changes: Any) -> None:
        values = edited(
            EXAMPLE,
            cluster__context=CONTEXT,
            cluster__namespace=NAMESPACE,
            operator__install=False,
            storage__protect=False,
            image={"ref": DIGEST},
        )
        self.use(edited(values, **changes))

    def use(self, values: Mapping[str, Any]) -> None:
        """Write the stack file."""
        file = self.folder / "Pulumi.lab.yaml"
        content = yaml.safe_load(file.read_text()) if file.exists() else {}
        content["config"] = {f"rayline:{key}": value for key, value in values.items()}
        file.write_text(yaml.safe_dump(content))

    def typed(self, command: str) -> None:
        """A command that a message advises."""
        program, *arguments = shlex.split(command)
        assert program == "pulumi"
        # Pulumi takes rayline:auth.secretName for a secret, by its name.
        plain = ["--plaintext"] if arguments[:2] == ["config", "set"] else []
        self.run(*arguments, *plain)

    def operations(self, *command: str) -> dict[str, int]:
        """The summary of a preview: operation -> number of resources."""
        text = self.run("preview", "--json", *command)
        summary = json.loads(text[text.index("{") :])["changeSummary"]
        return {operation: count for operation, count in summary.items() if count}


def manifest(kind: str, name: str, version: str = "v1", **more: Any) -> dict[str, Any]:
    """An object of somebody else, with a label as its canary."""
    place = {} if kind in ("Namespace", "ClusterRole") else {"namespace": NAMESPACE}
    metadata = {"name": name, "labels": {"canary": "theirs"}, **place, **more.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def chart_folder(folder: Path, objects: Sequence[Mapping[str, Any]]) -> Path:
    """A chart of these objects instead of KubeRay's, beside KubeRay's CRDs in `crds`."""
    chart = folder / "a chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: kuberay-operator\nversion: 1.6.2\n")
    (chart / "templates" / "all.yaml").write_text(yaml.safe_dump_all(objects))
    (chart / "crds").mkdir()
    for crd in crds():
        name = f"ray.io_{crd['spec']['names']['plural']}.yaml"
        (chart / "crds" / name).write_text(yaml.safe_dump(crd))
    return chart


@contextlib.contextmanager
def controllers(server: ApiServer, namespace: str = NAMESPACE) -> Iterator[None]:
    """Jobs are complete, and Services have an endpoint, soon after they were created."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.2):
            for job in server.every("batch/v1", "Job", namespace):
                if not (job.get("status") or {}).get("conditions"):
                    with contextlib.suppress(Refused):
                        _complete(server, job | {"apiVersion": "batch/v1", "kind": "Job"})
            for service in server.every("v1", "Service", namespace):
                with contextlib.suppress(Refused):
                    server.create(_endpoint(service["metadata"]))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _complete(server: ApiServer, job: dict[str, Any]) -> None:
    kinds = ("SuccessCriteriaMet", "Complete")
    conditions = [
        {"type": kind, "status": "True", "reason": "CompletionsReached"} for kind in kinds
    ]
    now = "2026-01-01T00:00:00Z"
    server.set_status(job, conditions=conditions, startTime=now, completionTime=now, succeeded=1)


def _endpoint(service: dict[str, Any]) -> dict[str, Any]:
    """As the controller of endpoints makes it."""
    metadata = {key: service[key] for key in ("name", "namespace")}
    subset = {"addresses": [{"ip": "10.0.0.1"}], "ports": [{"name": "http", "port": 8000}]}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]}


KINDS = (
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("batch/v1", "Job"),
    ("ray.io/v1", "RayCluster"),
)


def objects(server: ApiServer) -> dict[str, dict[str, Any]]:
    """Everything that a stack may have in the namespace, as kind/name."""
    return {
        f"{kind.lower()}/{each['metadata']['name']}": {**each, "apiVersion": version, "kind": kind}
        for version, kind in KINDS
        for each in server.every(version, kind, NAMESPACE)
    }


def uids(server: ApiServer) -> dict[str, str]:
    return {name: each["metadata"]["uid"] for name, each in objects(server).items()}


def made(server: ApiServer, folder: Path) -> LiveStack:
    (folder / "tools").mkdir()
    variables = tools(folder / "tools")
    stack = LiveStack(folder, server.kubeconfig, project="rayline", variables=variables)
    stack.begin()
    return stack
