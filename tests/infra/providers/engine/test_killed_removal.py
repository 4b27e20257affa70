"""The removal of a cluster, killed in the middle, on a real API server.

Pulumi's state then has a cluster that is gone. No `up` may take it for unchanged.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.server import CONTEXT, ApiServer
from tests.infra.providers.engine.programs import Program, with_kubernetes

# Seconds for each command of the engine, and the binaries of `make tools`.
pytestmark = [pytest.mark.cluster, pytest.mark.engine, pytest.mark.apiserver]

KINDS = {"restApi": "RayCluster", "rayService": "RayService"}
REMOVE = ("destroy", "--target", "**::delivery", "--target-dependents")
QUIET = ("--yes", "--skip-preview", "--non-interactive")
IMPORTS = """
import pulumi_kubernetes as kubernetes
from infra.providers.delivery import RayDelivery, RayDeliveryArgs
from infra.providers.group_order import GroupOrder, GroupOrderArgs
from infra.providers.rollout import PodRollout, PodRolloutArgs

def build(args):
    place, delivery = args["place"], args["delivery"]
    chosen = RayDelivery(RayDeliveryArgs(**place, delivery=delivery))
    provider = kubernetes.Provider("cluster", context=place["context"])
    made = kubernetes.apiextensions.CustomResource(f"made-{delivery}",
        api_version="ray.io/v1", kind=args["kind"], spec=args["spec"],
        metadata={"name": place["cluster"], "namespace": place["namespace"]},
        opts=pulumi.ResourceOptions(provider=provider, depends_on=[chosen]))
    after = pulumi.ResourceOptions(depends_on=[made])
    if delivery == "restApi":
        PodRollout("pods", PodRolloutArgs(**place, groups={"head": {"hash": "h1", "replicas": 1}},
            head_service="ray-head-svc", token_secret="ray-token",
            upgrade="recreate", deadline_seconds=60), after)
    else:
        GroupOrder("applied-groups", GroupOrderArgs(**place, delivery=delivery, names=[],
            applied=True), after)
"""


def cluster_spec() -> dict[str, Any]:
    template = {
        "metadata": {"annotations": {"rayline.dev/template-hash": "h1"}},
        "spec": {"containers": [{"name": "ray-head", "image": "r"}]},
    }
    return {"headGroupSpec": {"rayStartParams": {}, "template": template}}


def declare(program: Program, namespace: str, delivery: str) -> None:
    spec = cluster_spec()
    program.args(
        place={"context": CONTEXT, "namespace": namespace, "cluster": "ray"},
        delivery=delivery,
        kind=KINDS[delivery],
        spec=spec if delivery == "restApi" else {"rayClusterConfig": spec, "serveConfigV2": ""},
    )


def head(api_server: ApiServer, namespace: str) -> None:
    """The pod that KubeRay would make."""
    labels = {"ray.io/cluster": "ray", "ray.io/node-type": "head", "ray.io/group": "headgroup"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "ray-head",
            "namespace": namespace,
            "labels": labels,
            "annotations": {"rayline.dev/template-hash": "h1"},
        },
        "spec": {"containers": [{"name": "ray-head", "image": "r"}]},
    }
    api_server.create(pod)
    api_server.set_status(pod, conditions=[{"type": "Ready", "status": "True"}])


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def killed_removal(program: Program, api_server: ApiServer, namespace: str, kind: str) -> None:
    """`kill -9` while Pulumi waits for the deletion of the object, which ends a moment later."""
    manifest = {
        "apiVersion": "ray.io/v1",
        "kind": kind,
        "metadata": {"name": "ray", "namespace": namespace},
    }
    api_server.patch(manifest, {"metadata": {"finalizers": ["rayline.dev/test"]}})
    process = program.start(*REMOVE)

    def deleting() -> bool:
        live = api_server.get("ray.io/v1", kind, "ray", namespace)
        return "deletionTimestamp" in live["metadata"]

    until(deleting)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    api_server.patch(manifest, {"metadata": {"finalizers": None}})
    until(lambda: api_server.find("ray.io/v1", kind, "ray", namespace) is None)
    program.run("cancel", "--yes")


@pytest.mark.parametrize(
    ("before", "after"), [("restApi", "rayService"), ("rayService", "restApi")]
)
def test_a_removal_that_was_killed_is_continued_or_taken_back(
    tmp_path: Path, api_server: ApiServer, api_namespace: str, before: str, after: str
) -> None:
    head(api_server, api_namespace)
    program = with_kubernetes(tmp_path, api_server)
    program.write(IMPORTS, "build(args)")
    declare(program, api_namespace, before)
    program.up()
    killed_removal(program, api_server, api_namespace, KINDS[before])

    # Taken back: in words first, and then with what they say.
    refused = program.up(fails=True)
    assert "pulumi up --refresh" in refused
    assert "Traceback" not in refused
    program.run("up", "--refresh", *QUIET)
    assert api_server.find("ray.io/v1", KINDS[before], "ray", api_namespace)

    # Continued: the other delivery is accepted only after the removal has ended.
    killed_removal(program, api_server, api_namespace, KINDS[before])
    declare(program, api_namespace, after)
    assert f"rayline:serve.delivery is {after}" in program.up(fails=True)
    program.run(*REMOVE, *QUIET)
    program.up()
    assert api_server.find("ray.io/v1", KINDS[after], "ray", api_namespace)
    assert api_server.find("ray.io/v1", KINDS[before], "ray", api_namespace) is None
