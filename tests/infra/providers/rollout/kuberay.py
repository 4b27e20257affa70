"""A fake of the API server with a RayCluster and the operator that makes its pods."""

import base64
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.infra.providers.common.fake_api_server import FakeApi, FakeClock, Request, refused

NAMESPACE, CLUSTER = "llm", "ray"
HEAD_SERVICE, TOKEN_SECRET = "ray-head-svc", "ray-token"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
RESOURCE = f"/apis/ray.io/v1/namespaces/{NAMESPACE}/rayclusters/{CLUSTER}"
ANNOTATION = "rayline.dev/template-hash"
TOKEN = f"{CORE}/secrets/{TOKEN_SECRET}"
SERVE = f"{CORE}/services/{HEAD_SERVICE}:8265/proxy/api/serve/applications/"


def groups(**wanted: tuple[Any, int]) -> dict[str, dict[str, Any]]:
    return {name.replace("_", "-"): {"hash": h, "replicas": n} for name, (h, n) in wanted.items()}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    """Status of a pod whose container does not start."""
    state = {"state": {"waiting": {"reason": reason, "message": message}}}
    return {"containerStatuses": [{"name": "ray", **state, **more}]}


NOT_FOUND = waiting("ErrImagePull", "registry.example.com/a: not found")


@dataclass
class FakePod:
    group: str
    hash: str
    age: int = 0
    leaving: int = -1
    """Requests until it is gone; negative: it stays."""
    restarts: int = 0
    spec: dict[str, Any] = field(default_factory=dict)


def stored(path: str, claim: str = "ray-store") -> dict[str, Any]:
    """Spec of a head with its control store in a folder of a claim."""
    env = [{"name": "RAY_gcs_storage", "value": "rocksdb"},
           {"name": "RAY_gcs_storage_path", "value": path}]  # fmt: skip
    volume = {"name": "ray-store", "persistentVolumeClaim": {"claimName": claim}}
    return {"containers": [{"name": "ray-head", "env": env}], "volumes": [volume]}


@dataclass
class FakeKubeRay(FakeApi):
    """Pods are Ready after `starting` requests."""

    clock: FakeClock = field(default_factory=FakeClock)
    templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, FakePod] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    starting: int = 2
    stale: dict[str, list[str]] = field(default_factory=dict)
    """Hashes that the operator still uses for the next pods of a group."""
    trouble: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Status of a group's new pods instead of becoming Ready."""
    events: list[dict[str, Any]] = field(default_factory=list)
    head_spec: dict[str, Any] = field(default_factory=dict)
    """Spec of the template of the head, and of new heads."""
    head_annotations: dict[str, str] = field(default_factory=dict)
    """Of the template of the head."""
    absent: bool = False
    removing: int = 0
    """Requests for the RayCluster until it is gone; 0: it stays."""
    errors: int = 0
    models: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Group and replicas of each model; a replica runs `loading` requests after its pod."""
    loading: int = 4
    broken: set[str] = field(default_factory=set)
    """Templates in which no replica runs."""
    silent: int = 0
    """How often Ray does not answer."""
    least: dict[str, int] = field(default_factory=dict)
    """The fewest replicas of each model that ran at any time."""
    _names: Any = field(default_factory=count)

    def wants(self, wanted: dict[str, dict[str, Any]], *, running: bool = False) -> None:
        self.templates = wanted
        if running:
            self._reconcile()
            for pod in self.pods.values():
                pod.age = 99

    def answer(self, request: Request) -> tuple[int, Any]:
        if self.errors:
            self.errors -= 1
            return refused(503, "ServiceUnavailable", "etcd is changing its leader")
        return self._answer(request)

    def _answer(self, request: Request) -> tuple[int, Any]:
        if request.method == "DELETE":
            name = request.path.rsplit("/", 1)[1]
            self.deleted.append(name)
            self.pods[name].leaving = 1
            return 200, {}
        if request.path == RESOURCE and self.removing:
            self.removing -= 1
            self.absent = not self.removing
        if request.path == RESOURCE and not self.absent:
            return 200, self._resource()
        if request.path in (SERVE, TOKEN):
            return self._serve(request)
        if request.path == f"{CORE}/events":
            selector = request.query["fieldSelector"]
            return 200, {
                "items": [event for event in self.events if f"kind={event['kind']}," in selector]
            }
        if request.path == f"{CORE}/pods":
            assert request.query == {"labelSelector": f"ray.io/cluster={CLUSTER}"}
            self._reconcile()
            self._watch()
            return 200, {"items": [self._pod(name, pod) for name, pod in self.pods.items()]}
        return refused(404, "NotFound", f'rayclusters.ray.io "{CLUSTER}" not found')

    def _reconcile(self) -> None:
        for name, pod in list(self.pods.items()):
            pod.age += 1
            pod.leaving -= pod.leaving > 0
            if pod.leaving == 0:
                del self.pods[name]
        for group, template in self.templates.items():
            present = [name for name, pod in self.pods.items() if pod.group == group]
            for _ in range(template["replicas"] - len(present)):
                left = self.stale.get(group)
                made = FakePod(group, left.pop(0) if left else template["hash"])
                made.spec = self.head_spec if group == "head" else {}
                self.pods[f"{group}-{next(self._names)}"] = made
            for name in present[template["replicas"] :]:
                self.pods[name].leaving = 1

    def _serve(self, request: Request) -> tuple[int, Any]:
        if request.path == TOKEN:
            return 200, {"data": {"auth_token": base64.b64encode(b"token").decode()}}
        if self.silent:
            self.silent -= 1
            return 503, {"error": "the head is starting"}
        return 200, {"applications": {name: self._model(name) for name in self.models}}

    def _model(self, name: str) -> dict[str, Any]:
        group, wanted = self.models[name]
        running = [
            {"state": "RUNNING", "node_ip": f"ip-of-{pod}"}
            for pod, made in self.pods.items()
            if made.group == group
            and made.leaving < 0
            and made.age > self.starting + self.loading
            and made.hash not in self.broken
        ][:wanted]
        fails = any(p.hash in self.broken and p.age > self.starting for p in self.pods.values())
        well = "RUNNING" if len(running) == wanted else "DEPLOYING"
        return {
            "status": "UNHEALTHY" if fails else well,
            "message": "ValueError: no such layer" if fails else "",
            "deployments": {"VLLMDeployment": {"target_num_replicas": wanted, "replicas": running}},
        }

    def _watch(self) -> None:
        for name in self.models:
            running = len(self._model(name)["deployments"]["VLLMDeployment"]["replicas"])
            self.least[name] = min(running, self.least.get(name, running))

    def _pod(self, name: str, pod: FakePod) -> dict[str, Any]:
        ready = pod.age > self.starting and not (pod.group in self.trouble and pod.age < 99)
        status: dict[str, Any] = {
            "podIP": f"ip-of-{name}",
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": "True" if ready else "False"},
            ],
            "containerStatuses": [
                {
                    "name": "ray",
                    "restartCount": pod.restarts,
                    "state": {"waiting": {"reason": "Creating"}},
                }
            ],
        }
        if not ready:
            status |= self.trouble.get(pod.group, {})
        head = pod.group == "head"
        meta: dict[str, Any] = {
            "name": name,
            "uid": f"uid-{name}",
            "annotations": {ANNOTATION: pod.hash},
            "labels": {
                "ray.io/cluster": CLUSTER,
                "ray.io/node-type": "head" if head else "worker" if pod.group else "job",
                "ray.io/group": "headgroup" if head else pod.group,
            },
        }
        if pod.leaving >= 0:
            meta |= {"deletionTimestamp": "2026-11-24T00:00:00Z", "deletionGracePeriodSeconds": 30}
        return {"metadata": meta, "spec": {"nodeName": "node-1", **pod.spec}, "status": status}

    def _resource(self) -> dict[str, Any]:
        def group(name: str) -> dict[str, Any]:
            annotations = {ANNOTATION: self.templates[name]["hash"]}
            spec = self.head_spec if name == "head" else {}
            annotations |= self.head_annotations if name == "head" else {}
            template = {"metadata": {"annotations": annotations}, "spec": spec}
            return {"groupName": name, "template": template}

        workers = [group(name) for name in self.templates if name != "head"]
        removed = {"deletionTimestamp": "2026-11-24T00:00:20Z"} if self.removing else {}
        return {
            "metadata": {"managedFields": [{"time": "2026-11-24T00:00:10Z"}], **removed},
            "spec": {"headGroupSpec": group("head"), "workerGroupSpecs": workers},
        }
