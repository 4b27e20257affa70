"""Starts `host.py`, deploys Serve applications on it by REST and knows their addresses."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench.serving.folders import remove
from toolchain.paths import cache_root

ROOT = Path(__file__).parents[2]
DEPLOYMENT = "VLLMDeployment"


@dataclass(frozen=True)
class Ports:
    """Free TCP ports of this host, chosen for each run so that runs do not collide."""

    dashboard: int
    ingress: int
    haproxy_stats: int
    haproxy_metrics: int
    first_replica: int
    metrics: int

    @classmethod
    def free(cls) -> "Ports":
        """Ports that are free now; the kernel chooses them."""
        sockets = [socket.socket() for _ in range(6)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        numbers = [one.getsockname()[1] for one in sockets]
        for one in sockets:
            one.close()
        return cls(*numbers)


@dataclass
class Cluster:
    """One Ray on loopback. `stop` undoes `start` and removes the folder."""

    environment: Mapping[str, str] = field(default_factory=dict)
    cpus: int = 4
    ports: Ports = field(default_factory=Ports.free)
    # Short: Ray creates sockets below it, and a socket's path may have at most 107 bytes.
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="rl-", dir="/tmp")))
    token: str = field(default_factory=lambda: secrets.token_hex(32))
    process: subprocess.Popen[str] | None = None
    address: str = ""
    """The address at which other programs join this Ray."""

    @property
    def url(self) -> str:
        """Serve's ingress."""
        return f"http://127.0.0.1:{self.ports.ingress}"

    def start(self) -> None:
        """Start Ray and wait until it runs; RuntimeError with its log otherwise."""
        with (self.folder / "host.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.serving.host"],
                cwd=ROOT,
                env=self.process_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is for the caller, which then closes its input
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        wanted = {
            "cpus": self.cpus,
            "dashboard_port": self.ports.dashboard,
            "folder": str(self.folder),
            "metrics_port": self.ports.metrics,
        }
        self.process.stdin.write(json.dumps(wanted) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"Ray did not start:\n{(self.folder / 'host.log').read_text()}")
        self.address = json.loads(line)

    def _token_file(self) -> Path:
        path = self.folder / "ray-token"
        path.touch(0o600)
        path.write_text(self.token)
        return path

    def process_environment(self) -> dict[str, str]:
        """The environment of Ray and of everything it starts, without that of the caller's Ray."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        haproxy = self.folder / "haproxy"
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join(
                path for path in (str(ROOT), os.environ.get("PYTHONPATH", "")) if path
            ),
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "RAY_AUTH_MODE": "token",
            # As in a pod: infra/specs/ray_token.py.
            "RAY_AUTH_TOKEN": "",
            "RAY_AUTH_TOKEN_PATH": str(self._token_file()),
            "RAY_USAGE_STATS_ENABLED": "0",
            # Ray starts its workers with niceness 15. Any other program would then starve the
            # engine, and the benchmark's client would precede it, but not a bare engine.
            "RAY_worker_niceness": "0",
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_SERVE_HAPROXY_BINARY_PATH": str(ROOT / "app" / "haproxy.sh"),
            "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "app.guard.http_server:install",
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(haproxy / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(haproxy / "admin.sock"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(haproxy / "server-state"),
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(haproxy / "metrics.sock"),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(self.ports.haproxy_stats),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(self.ports.haproxy_metrics),
            "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(self.ports.first_replica),
            "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(self.ports.first_replica + 100),
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
            "RAY_SERVE_PORT_QUARANTINE_S": "0",
            # Not below HOME, which may contain a space: Torch calls its compiler by a shell line.
            "VLLM_CACHE_ROOT": str(cache_root() / "vllm"),
            "VLLM_CPU_KVCACHE_SPACE": "1",
            # One thread on any core: two threads bound to cores wait for each other at every layer,
            # so that on a busy machine one token takes seconds.
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
            **self.environment,
        }

    def put(self, applications: list[dict[str, Any]]) -> None:
        """Apply the whole Serve configuration by `PUT /api/serve/applications/`."""
        answer = httpx.put(
            f"http://127.0.0.1:{self.ports.dashboard}/api/serve/applications/",
            json={
                "proxy_location": "HeadOnly",
                "http_options": {"host": "0.0.0.0", "port": self.ports.ingress},
                "applications": applications,
            },
            headers={"x-ray-authorization": f"Bearer {self.token}"},
            timeout=60,
        )
        if answer.status_code != 200:
            raise RuntimeError(f"PUT answered {answer.status_code}: {answer.text}")

    def applications(self) -> dict[str, Any]:
        """Serve's own report, by application."""
        answer = httpx.get(
            f"http://127.0.0.1:{self.ports.dashboard}/api/serve/applications/",
            headers={"x-ray-authorization": f"Bearer {self.token}"},
            timeout=30,
        )
        return dict(answer.raise_for_status().json()["applications"])

    def wait_running(self, name: str, seconds: float) -> None:
        """Wait until the application is RUNNING; RuntimeError with Serve's report otherwise."""
        deadline = time.monotonic() + seconds
        report: dict[str, Any] = {}
        while time.monotonic() < deadline:
            report = self.applications().get(name, {})
            if report.get("status") == "RUNNING":
                return
            if report.get("status") == "DEPLOY_FAILED":  # UNHEALTHY recovers
                break
            time.sleep(0.5)
        raise RuntimeError(f"{name} is not RUNNING: {json.dumps(report, indent=1)[:6000]}")

    def replicas(self, name: str) -> list[dict[str, Any]]:
        """The application's replicas as Serve reports them, with state, pid and replica_id."""
        deployments = self.applications().get(name, {}).get("deployments", {})
        return list(deployments.get(DEPLOYMENT, {}).get("replicas", []))

    def stop(self) -> None:
        """Let `host.py` stop Serve and Ray; kill it if it hangs."""
        if self.process is None:
            return
        try:
            self.process.communicate(timeout=90)  # closes its standard input first
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate(timeout=10)
        self.process = None
        remove(self.folder)
