"""The objects that the sandbox applies: these tests check all of them, so new ones are covered."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from sandbox.cluster import manifests
from sandbox.hub import deploy
from sandbox.node import files
from sandbox.settings import Settings
from toolchain.paths import CHECKOUT

Document = dict[str, Any]
SETS = {
    "every cluster": manifests.documents(Settings(), "dns:1"),
    "hub": deploy.documents("hub:1"),
}
EVERY = [
    pytest.param(document, id=f"{document['kind']} {document['metadata']['name']}")
    for documents in SETS.values()
    for document in documents
]
CLUSTER_WIDE = {
    "APIService",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "PersistentVolume",
    "PriorityClass",
    "RuntimeClass",
    "StorageClass",
    "ValidatingWebhookConfiguration",
}
"""Built-in kinds without a namespace."""
BUILT_IN_NAMESPACES = {"default", "kube-node-lease", "kube-public", "kube-system"}


def key(kind: str, document: Document) -> tuple[str, str, str]:
    """Kind, namespace and name; what `document` refers to has the same namespace."""
    return kind, document["metadata"].get("namespace", ""), document["metadata"]["name"]


def pod_template(document: Document) -> Document | None:
    """The pod template of a workload, whatever its kind."""
    template = document.get("spec", {}).get("template")
    return template if template and "containers" in template.get("spec", {}) else None


def references(document: Document) -> Iterator[tuple[str, str, str]]:
    """Keys of the objects that must exist before `document` works."""
    namespace = document["metadata"].get("namespace", "")
    if namespace and namespace not in BUILT_IN_NAMESPACES:
        yield "Namespace", "", namespace
    if role := document.get("roleRef"):
        yield role["kind"], "" if role["kind"] == "ClusterRole" else namespace, role["name"]
        for subject in document["subjects"]:
            if subject["kind"] == "ServiceAccount":
                yield "ServiceAccount", subject["namespace"], subject["name"]
    if template := pod_template(document):
        spec = template["spec"]
        if account := spec.get("serviceAccountName"):
            yield "ServiceAccount", namespace, account
        for volume in spec.get("volumes", []):
            for source, field in (("configMap", "name"), ("secret", "secretName")):
                if source in volume:
                    kind = "ConfigMap" if source == "configMap" else "Secret"
                    yield kind, namespace, volume[source][field]


@pytest.mark.parametrize("document", EVERY)
def test_an_object_has_a_kind_a_name_and_a_namespace_where_its_kind_has_one(
    document: Document,
) -> None:
    assert document["apiVersion"]
    assert document["kind"]
    metadata = document["metadata"]
    assert metadata["name"]
    assert ("namespace" in metadata) == (document["kind"] not in CLUSTER_WIDE)


@pytest.mark.parametrize("name", SETS)
def test_every_object_is_defined_once(name: str) -> None:
    keys = [key(document["kind"], document) for document in SETS[name]]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", SETS)
def test_an_object_is_applied_after_those_that_it_refers_to(name: str) -> None:
    applied: set[tuple[str, str, str]] = set()
    for document in SETS[name]:
        assert set(references(document)) <= applied, document["metadata"]["name"]
        applied.add(key(document["kind"], document))


@pytest.mark.parametrize("document", EVERY)
def test_a_workload_selects_its_own_pods_and_carries_their_labels(document: Document) -> None:
    if template := pod_template(document):
        labels = template["metadata"]["labels"].items()
        assert labels
        assert document["spec"]["selector"]["matchLabels"].items() <= labels
        assert document["metadata"]["labels"].items() <= labels


@pytest.mark.parametrize("document", EVERY)
def test_a_pod_runs_anywhere_within_limits_and_without_privileges(document: Document) -> None:
    if template := pod_template(document):
        # With RAYLINE_GPU_TAINT=1 the only node is tainted.
        assert {"operator": "Exists"} in template["spec"]["tolerations"]
        for container in template["spec"]["containers"]:
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]
            assert "readinessProbe" in container
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]


@pytest.mark.parametrize("name", SETS)
def test_a_service_targets_a_port_of_a_workload_in_its_namespace(name: str) -> None:
    workloads = [
        (document["metadata"]["namespace"], template)
        for document in SETS[name]
        if (template := pod_template(document))
    ]
    for service in (document for document in SETS[name] if document["kind"] == "Service"):
        behind = [
            template
            for namespace, template in workloads
            if namespace == service["metadata"]["namespace"]
            and service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        ]
        assert len(behind) == 1, service["metadata"]["name"]
        ports = [p for c in behind[0]["spec"]["containers"] for p in c["ports"]]
        known = {value for p in ports for value in (p["containerPort"], p["name"])}
        for port in service["spec"]["ports"]:
            assert port.get("targetPort", port["port"]) in known


def test_storage_classes_have_one_default_and_the_provisioners_name() -> None:
    classes = [d for d in SETS["every cluster"] if d["kind"] == "StorageClass"]
    default = "storageclass.kubernetes.io/is-default-class"
    assert {c["metadata"]["name"]: c["metadata"]["annotations"][default] for c in classes} == {
        "standard": "true",
        "cephfs": "false",
    }
    source = CHECKOUT / "toolchain/sources/kubernetes/hostpath-provisioner/main.go"
    assert f'const Name = "{manifests.PROVISIONER}"' in source.read_text()


def test_dns_answers_at_the_address_that_the_kubelet_gives_to_pods() -> None:
    everything = SETS["every cluster"]
    service = next(d for d in everything if d["metadata"]["name"] == "kube-dns")
    kubelet = yaml.safe_load(files.files(Settings(), "pause:1")["kubelet.yaml"])
    assert [service["spec"]["clusterIP"]] == kubelet["clusterDNS"]


def test_the_node_advertises_the_gpus_of_the_settings() -> None:
    patch = manifests.node_status_patch(Settings(gpus=2))
    assert patch["status"]["capacity"] == {"nvidia.com/gpu": "2"}
