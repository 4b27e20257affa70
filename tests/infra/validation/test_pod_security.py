"""A real API server admits every pod under Pod Security `restricted`, and judges as rayline does.

The admission does not look into RayClusters, so their templates are tried as Pods, with the init
container that KubeRay adds to workers.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from infra.settings import StackSettings, parse
from infra.specs import names, operator_chart, platform
from infra.specs.manifests import manifests, pods
from infra.specs.pod_security import ENFORCE, LEVELS, violations
from sandbox import chart
from tests.apiserver.server import ApiServer, Refused
from tests.infra.specs.test_adapted import PARTS
from tests.infra.validation.test_dry_run import FILES, plain
from tests.stacks import ROOT, complete, settings, values

Spec = dict[str, Any]


@pytest.fixture(scope="module")
def levels(api_server: ApiServer) -> Iterator[Mapping[str, str]]:
    """A namespace by the level that it enforces."""
    made = {level: f"enforces-{level}" for level in LEVELS}
    manifests = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": {ENFORCE: l}}}
        for l, n in made.items()  # noqa: E741
    ]
    for each in manifests:
        api_server.create(each)
    yield made
    for each in manifests:
        api_server.call("DELETE", api_server.path_of(each))


def refused(api_server: ApiServer, namespace: str, manifest: Spec) -> str:
    """What Pod Security says to an object in a namespace; empty if it is admitted."""
    metadata = {**manifest["metadata"]}
    if "namespace" in metadata:
        metadata["namespace"] = namespace
    try:
        api_server.create({**manifest, "metadata": metadata}, dry_run=True)
    except Refused as problem:
        if "violates PodSecurity" not in str(problem):
            raise
        return str(problem)
    return ""


def as_kuberay_makes_them(wanted: StackSettings) -> list[Spec]:
    """All pods. Those of Ray have probes, and workers wait in an init container with the security
    context of their first one (DefaultWorkerPodTemplate and initLivenessAndReadinessProbe of
    KubeRay 1.6.2, controllers/ray/common/pod.go). A head of a RayService serves. Without classes,
    which are objects of the user's cluster."""
    found = copy.deepcopy(pods(wanted))
    for pod in found:
        pod["spec"].pop("runtimeClassName", None)
        pod["spec"].pop("priorityClassName", None)
        first = pod["spec"]["containers"][0]
        if first["name"] not in (names.HEAD_CONTAINER, names.WORKER_CONTAINER):
            continue
        kind = first["name"].removeprefix("ray-")
        serving = {"ray.io/serve": "true"} if wanted.serve.delivery == "rayService" else {}
        pod["metadata"]["labels"] |= {names.NODE_TYPE_LABEL: kind, **serving}
        if kind == "worker":
            waiting = {key: first[key] for key in ("image", "securityContext", "volumeMounts")}
            amounts = {"cpu": "200m", "memory": "256Mi"}
            waiting |= {"resources": {"limits": amounts, "requests": amounts}}
            pod["spec"].setdefault("initContainers", []).append(
                {**waiting, "name": "wait-gcs-ready"}
            )
        healthy = {"httpGet": {"path": "/api/healthz", "port": 52365}, "periodSeconds": 5}
        ready = {**healthy, "initialDelaySeconds": 10, "failureThreshold": 10}
        first.setdefault("readinessProbe", ready)
        first["livenessProbe"] = {**healthy, "initialDelaySeconds": 30, "failureThreshold": 120}
    return found


STACKS = {
    **{path.relative_to(ROOT).as_posix(): plain(path) for path in FILES},
    "everything": complete(values(serve__delivery="rayService")),
}


@pytest.mark.apiserver
@pytest.mark.parametrize("stack", STACKS)
def test_every_pod_is_admitted_by_restricted(
    stack: str, api_server: ApiServer, levels: Mapping[str, str]
) -> None:
    wanted = parse(STACKS[stack])
    everything = [*as_kuberay_makes_them(wanted), *manifests(wanted)]
    kinds = {each["kind"] for each in everything}
    assert {"Pod", "Job"} < kinds
    for each in everything:
        if each["kind"] not in ("Namespace", "PriorityClass"):
            assert refused(api_server, levels["restricted"], each) == "", each["metadata"]["name"]


@pytest.mark.parametrize("stack", STACKS)
def test_no_pod_has_a_token_of_the_api_server(stack: str) -> None:
    wanted = parse(STACKS[stack])
    account = platform.service_account(wanted)
    assert account["automountServiceAccountToken"] is False
    for pod in pods(wanted):
        assert pod["spec"]["serviceAccountName"] == account["metadata"]["name"]
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert "serviceAccountToken" not in str(pod["spec"].get("volumes"))


def container(**context: Any) -> Spec:
    return {"containers": [{"name": "ray-head", "securityContext": context}]}


ODD: dict[str, Spec] = {
    **PARTS,
    "host PIDs": {"hostPID": True},
    "host IPC": {"hostIPC": True},
    "privileged": container(privileged=True, allowPrivilegeEscalation=True),
    "escalation": container(allowPrivilegeEscalation=True),
    "capability": container(capabilities={"add": ["SYS_ADMIN"]}),
    "usual capability": container(capabilities={"add": ["CHOWN"]}),
    "low ports": container(capabilities={"add": ["NET_BIND_SERVICE"]}),
    "unmasked": {**container(procMount="Unmasked"), "hostUsers": False},
    "root": {"securityContext": {"runAsUser": 0, "runAsNonRoot": False}},
    "root container": container(runAsUser=0, runAsNonRoot=False),
    "perhaps root": {"securityContext": {"runAsNonRoot": False}},
    "unconfined": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
    "unconfined container": container(seccompProfile={"type": "Unconfined"}),
    "no AppArmor": container(appArmorProfile={"type": "Unconfined"}),
    "SELinux": {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}},
    "usual SELinux": {"securityContext": {"seLinuxOptions": {"type": "container_t"}}},
    "SELinux user": {"securityContext": {"seLinuxOptions": {"user": "system_u"}}},
    "usual sysctl": {
        "securityContext": {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}
    },
    "sysctl": {"securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}},
    "NFS": {"volumes": [{"name": "nfs", "nfs": {"server": "a", "path": "/"}}]},
    "CSI": {"volumes": [{"name": "csi", "csi": {"driver": "a.b"}}]},
    "host port": {"containers": [{"name": "ray-head", "ports": [
        {"containerPort": 9999, "hostPort": 9999}]}]},
    "probe of another host": {"containers": [{"name": "ray-head", "startupProbe": {
        "httpGet": {"host": "192.0.2.1", "port": 80}}}]},
    "hook of another host": {"containers": [{"name": "ray-head", "lifecycle": {"postStart": {
        "tcpSocket": {"host": "192.0.2.1", "port": 80}}}}]},
}  # fmt: skip


@pytest.mark.apiserver
@pytest.mark.parametrize("level", LEVELS)
def test_rayline_judges_as_kubernetes_does(
    level: str, api_server: ApiServer, levels: Mapping[str, str]
) -> None:
    ours, theirs = {}, {}
    for name, part in ODD.items():
        if name in ("overhead", "claims of devices"):  # these need other objects
            continue
        wanted = settings(ray__head__podTemplate__spec=copy.deepcopy(part))
        (head, *_others) = pods(wanted)
        ours[name] = bool(violations(head, level))
        theirs[name] = bool(refused(api_server, levels[level], head))
    assert ours == theirs
    assert set(theirs.values()) == {True, False}


@pytest.mark.apiserver
def test_the_root_container_of_the_downloads_is_refused_by_restricted_alone(
    api_server: ApiServer, levels: Mapping[str, str]
) -> None:
    wanted = settings(storage__fixPermissions=True)
    job = pods(wanted)[-1]
    assert "runAsUser=0" in refused(api_server, levels["restricted"], job)
    assert refused(api_server, levels["baseline"], job) == ""
    assert violations(job, "restricted")
    assert platform.enforced_level(wanted) == "baseline"


@pytest.mark.apiserver
def test_the_namespace_of_the_stack_enforces_restricted(api_server: ApiServer) -> None:
    wanted = settings(cluster__namespace="labelled-by-rayline")
    namespace = platform.namespace(wanted)
    api_server.create(namespace)
    try:
        name = namespace["metadata"]["name"]
        for pod in as_kuberay_makes_them(wanted):
            assert refused(api_server, name, pod) == ""
            pod["spec"]["hostNetwork"] = True
            assert "restricted:v1.34" in refused(api_server, name, pod)
    finally:
        api_server.call("DELETE", api_server.path_of(namespace))


def test_the_sandboxs_operator_is_admitted_by_restricted() -> None:
    """Its template without Helm's lines, which concern no security context."""
    text = (chart.TEMPLATES / "deployment.yaml").read_text()
    plain = yaml.safe_load(re.sub(r"(?m)^.*\{\{.*\n", "", text))
    template = plain["spec"]["template"]
    assert violations(template, "restricted") == []
    del template["spec"]["securityContext"]
    assert violations(template, "restricted")


@pytest.mark.parametrize(
    ("edits", "context", "level"),
    [
        ({}, {}, "restricted"),
        ({}, {"capabilities": {"add": ["SYS_ADMIN"]}}, None),
        ({"cluster__podSecurity": "none"}, {}, None),
        ({"operator__namespace": "kuberay-projects"}, {}, None),
        ({"cluster__adopt": ["namespace/kuberay-system"]}, {}, None),
    ],
    ids=str,
)
def test_the_level_of_the_operators_namespace_follows_from_its_chart(
    edits: dict[str, Any], context: Spec, level: str | None
) -> None:
    safe = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    spec = {"containers": [{"name": "a", "securityContext": {**safe, **context}}]}
    deployment = {"kind": "Deployment", "spec": {"template": {"spec": spec}}}
    made = operator_chart.namespace(settings(**edits), [{"kind": "Service"}, deployment])
    assert made["metadata"].get("labels", {}).get(ENFORCE) == level


@pytest.mark.parametrize(
    ("edits", "level"),
    [
        ({}, "restricted"),
        ({"ray__head__podTemplate__spec": {"hostNetwork": True}}, None),
        ({"gpuGroups__0__podTemplate__spec": PARTS["sidecar"]}, "baseline"),
        ({"hub__podTemplate__spec": PARTS["volume"]}, None),
        ({"storage__fixPermissions": True}, "baseline"),
        ({"storage__fixPermissions": True, "cluster__podSecurity": "none"}, None),
        ({"cluster__podSecurity": "privileged"}, "privileged"),
        ({"cluster__podSecurity": "baseline"}, "baseline"),
        ({"cluster__createNamespace": False}, None),
        ({"cluster__adopt": ["namespace/kuberay-projects"]}, None),
        (
            {
                "cluster__adopt": ["namespace/kuberay-projects"],
                "cluster__podSecurity": "baseline",
            },
            "baseline",
        ),
    ],
    ids=str,
)
def test_the_level_follows_from_the_pods(edits: dict[str, Any], level: str | None) -> None:
    wanted = settings(**edits)
    assert platform.enforced_level(wanted) == level
    assert platform.namespace(wanted)["metadata"]["labels"].get(ENFORCE) == level
