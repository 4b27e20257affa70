"""A fake of Ray's Serve API behind the service proxy, which can be made to misbehave."""

import base64
import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.infra.providers.common.fake_api_server import FakeApi, FakeClock, Request, Reset, refused

NAMESPACE, CLUSTER, SERVICE, SECRET = "llm", "ray", "ray-head-svc", "ray-token"
TOKEN = "canary-ray-token"
PROXY = f"/api/v1/namespaces/{NAMESPACE}/services/{SERVICE}:8265/proxy/api/serve/applications/"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets/{SECRET}"
CONFIG_MAP = "ray-applications"
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{CONFIG_MAP}"
TRACE = (
    "Deployment failed to start 3 times in a row: \x1b[36mray::Replica\x1b[0m\n"
    "Traceback (most recent call last):\n"
    '  File "engine.py", line 1, in load\n'
    "    raise FileNotFoundError(path)\n"
    "FileNotFoundError: no weights in /data/model-cache/tiny"
)


def application(name: str, model: str = "m") -> dict[str, Any]:
    return {
        "name": name,
        "route_prefix": f"/{name}",
        "import_path": "app.main:application",
        "runtime_env": {"env_vars": {"MODEL_ID": model}},
        "deployments": [{"name": "VLLMDeployment", "num_replicas": 1}],
    }


def config(*applications: Any) -> dict[str, Any]:
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": 8000},
        "applications": list(applications),
    }


@dataclass
class App:
    config: dict[str, Any]
    steps: list[str]
    """Statuses at the next requests; the last one stays."""
    source: str = "declarative"


@dataclass
class FakeRay(FakeApi):
    """Applications become RUNNING after `starting` requests, unless `broken` names their model."""

    clock: FakeClock = field(default_factory=FakeClock)
    apps: dict[str, App] = field(default_factory=dict)
    starting: int = 2
    broken: set[str] = field(default_factory=set)
    flapping: set[str] = field(default_factory=set)
    token: str = TOKEN
    http: dict[str, Any] = field(default_factory=dict)
    fault: Callable[[Request], tuple[int, Any] | None] = lambda _request: None
    """Called before Ray handles a request and, with `after`, afterwards."""
    puts: list[dict[str, Any]] = field(default_factory=list)
    absent: bool = False
    wanted: dict[str, str] | None = None
    """Data of the ConfigMap; None: there is none."""
    version: int = 1
    """Of the ConfigMap."""

    def serve(self, *applications: dict[str, Any], status: str = "RUNNING") -> None:
        """Make applications live, as an earlier `up` would have."""
        self.http = {"host": "0.0.0.0", "port": 8000}
        self.apps |= {app["name"]: App(app, [status]) for app in applications}

    def answer(self, request: Request) -> tuple[int, Any]:
        if request.path == SECRETS:
            return 200, {"data": {"auth_token": base64.b64encode(TOKEN.encode()).decode()}}
        if request.path == CONFIG_MAPS:
            return self.config_map(request)
        if request.path != PROXY or self.absent:
            return refused(404, "NotFound", f'services "{SERVICE}" not found')
        return self.serve_api(request)

    def serve_api(self, request: Request) -> tuple[int, Any]:
        fault = self.fault(request)
        if fault is not None:
            return fault
        if request.headers.get("x-ray-authorization") != f"Bearer {self.token}":
            return 403, "Forbidden: Invalid authentication token"
        if request.method == "PUT":
            return self.put(request.body)
        if request.method == "DELETE":
            self.apps, self.http = {}, {}
        return 200, self.details()

    def wants(self, body: dict[str, Any]) -> None:
        """What the program does with the ConfigMap before it changes the applications."""
        self.wanted = {**(self.wanted or {}), "applications.json": json.dumps(body)}
        self.version += 1

    def restorable(self) -> bool:
        """Whether the head would restore what the ConfigMap has."""
        data = self.wanted or {}
        digest = hashlib.sha256(data.get("applications.json", "").encode()).hexdigest()
        return data.get("finished") == digest

    def config_map(self, request: Request) -> tuple[int, Any]:
        if self.wanted is None:
            return refused(404, "NotFound", f'configmaps "{CONFIG_MAP}" not found')
        if request.method == "PATCH":
            assert request.headers["content-type"] == "application/merge-patch+json"
            version = request.body["metadata"].get("resourceVersion", str(self.version))
            if version != str(self.version):
                return refused(409, "Conflict", "the object has been modified")
            merged = {**self.wanted, **request.body["data"]}
            self.wanted = {key: value for key, value in merged.items() if value is not None}
            self.version += 1
        return 200, {"metadata": {"resourceVersion": str(self.version)}, "data": self.wanted}

    def put(self, body: dict[str, Any]) -> tuple[int, Any]:
        self.puts.append(body)
        if any("import_path" not in app for app in body["applications"]):
            return 400, "1 validation error for ServeDeploySchema: import_path Field required"
        self.http = self.http or body.get("http_options", {})
        wanted = {app["name"]: app for app in body["applications"]}
        for name, app in list(self.apps.items()):
            if name not in wanted and app.source == "declarative":
                app.steps = ["DELETING"] * 2 + ["GONE"]
        for name, new in wanted.items():
            old = self.apps.get(name)
            if old is None or old.config["runtime_env"] != new["runtime_env"]:
                self.apps[name] = App(new, self._steps(new))
            else:  # as Ray: what failed with the same code stays failed
                old.config = new
        return 200, ""

    def _steps(self, new: dict[str, Any]) -> list[str]:
        model = new["runtime_env"]["env_vars"]["MODEL_ID"]
        begin = ["DEPLOYING"] * self.starting
        if model in self.broken:
            return [*begin, "DEPLOY_FAILED"]
        if model in self.flapping:
            return [*begin, "RUNNING", "UNHEALTHY", "DEPLOYING", "UNHEALTHY", "RUNNING"]
        return [*begin, "RUNNING"]

    def details(self) -> dict[str, Any]:
        live = {}
        for name, app in list(self.apps.items()):
            status = app.steps.pop(0) if len(app.steps) > 1 else app.steps[0]
            if status == "GONE":
                del self.apps[name]
                continue
            failed = status == "DEPLOY_FAILED"
            live[name] = {
                "name": name,
                "status": status,
                "message": "The deployments ['VLLMDeployment'] are DEPLOY_FAILED."
                if failed
                else "",
                "source": app.source,
                "route_prefix": app.config.get("route_prefix"),
                "deployed_app_config": app.config,
                "deployments": {
                    "VLLMDeployment": {
                        "status": "UPDATING",
                        "message": TRACE if failed else "",
                        "replicas": [{"state": "STARTING"}],
                    }
                },
            }
        return {
            "controller_info": {},
            "proxies": {},
            "http_options": self.http or None,
            "proxy_location": "EveryNode" if self.http else None,
            "applications": live,
        }


@dataclass
class Chaos:
    """Faults in a seeded order; at most `limit` of them, so that the end is known."""

    seed: int
    ray: FakeRay
    rate: float = 0.4
    limit: int = 30

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def __call__(self, request: Request) -> tuple[int, Any] | None:
        if self.limit <= 0 or self.random.random() > self.rate:
            return None
        self.limit -= 1
        kind = self.random.choice(
            ["reset", "cut", "500", "503", "truncated", "lost", "slow", "dead"]
        )
        match kind:
            case "reset":
                raise Reset
            case "cut":
                raise Reset(5)
            case "500":
                return 500, "Traceback: GCS is not there yet"
            case "503":
                return refused(503, "ServiceUnavailable", "no endpoints available for service")
            case "truncated" if request.method == "GET":
                return 200, '{"applications": {"a": {"sta'
            case "lost" if request.method == "PUT":
                self.ray.put(request.body)
                raise Reset
            case "slow":
                self.ray.clock.sleep(30)
                raise Reset
            case "dead":  # the head restarts and has forgotten everything
                self.ray.apps, self.ray.http = {}, {}
                return refused(503, "ServiceUnavailable", "connection refused")
        return None
