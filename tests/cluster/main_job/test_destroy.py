"""Destroying a deployment, and delivering one by a RayService."""

import json
import time

from infra.specs.serve_config import PROXIES
from sandbox.cluster.kubectl import Kubectl
from tests.cluster.main_job.client import Client
from tests.cluster.main_job.conftest import USER, Secrets
from tests.cluster.main_job.deployed import NAMESPACE, OPERATOR_NAMESPACE, Config, Deployed

DESTROY = ("destroy", "--yes", "--skip-preview")


def protected(config: Config) -> None:
    config["rayline:storage"]["protect"] = True


def by_ray_service(config: Config) -> None:
    protected(config)
    config["rayline:serve"] = {"delivery": "rayService"}


CLAIM = "persistentvolumeclaim/model-cache-pvc"
GRACE_SECONDS = 120
"""Time for pods to end after their owner is deleted, because they let streams finish."""


def left(kubectl: Kubectl) -> list[str]:
    """Objects in the namespace, except Kubernetes' own, once the pods have ended."""
    kinds = "all,secrets,configmaps,serviceaccounts,ingresses,persistentvolumeclaims"
    ignored = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
    until = time.monotonic() + GRACE_SECONDS
    while True:
        names = kubectl.run("-n", NAMESPACE, "get", kinds, "-o", "name").splitlines()
        objects = sorted(set(names) - ignored)
        if objects == [CLAIM] or time.monotonic() > until:
            return objects
        time.sleep(2)


def test_destroy_leaves_an_empty_cluster_and_keeps_a_protected_claim(
    serving: Deployed, kubectl: Kubectl
) -> None:
    serving.configure(protected)
    serving.up()
    claim = serving.get("persistentvolumeclaim", "model-cache-pvc")["metadata"]["uid"]
    serving.run(*DESTROY)
    assert left(kubectl) == [CLAIM]
    assert serving.get("persistentvolumeclaim", "model-cache-pvc")["metadata"]["uid"] == claim
    gone = ("get", "namespace", OPERATOR_NAMESPACE, "--ignore-not-found")
    assert kubectl.run(*gone) == ""
    roles = kubectl.run("get", "clusterroles,clusterrolebindings", "-o", "name")
    assert "kuberay" not in roles
    # Deleting a CRD would delete every RayCluster of every user: rayline:operator.keepCrds.
    assert "rayclusters.ray.io" in kubectl.run("get", "crds", "-o", "name")


def test_a_ray_service_reuses_the_claim_that_was_kept(
    prepared: Deployed, kubectl: Kubectl, canaries: Secrets
) -> None:
    prepared.configure(by_ray_service)
    run = prepared.up()
    assert "RayService ray-service" in run.changes
    user = Client.of(prepared.stack.outputs(), "tiny", USER, canaries.password)
    assert user.chat()
    status = prepared.get("rayservice", "rayline")["status"]
    applications = status["activeServiceStatus"]["applicationStatuses"]
    assert set(applications) == {"tiny", PROXIES}
    assert {each["status"] for each in applications.values()} == {"RUNNING"}
    assert prepared.up("--expect-no-changes").changes == {}
    prepared.run(*DESTROY)
    assert left(kubectl) == [CLAIM]
    assert json.loads(kubectl.run("get", "rayclusters", "-A", "-o", "json"))["items"] == []
