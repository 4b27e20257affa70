"""The service as one Serve application on a `Cluster`, with its users and how to call it."""

import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from app.auth import config, passwords, tokens
from bench.processes import descendants
from bench.serving.cluster import DEPLOYMENT, ROOT, Cluster
from toolchain.paths import cache_root

APPLICATION = "Tiny"
MODEL = "tiny"
START_SECONDS = 400.0
PASSWORD = "correct horse battery staple"
ROLES = '{"probe": {"groups": ["inference", "models"], "requests_per_minute": 2}}'
# Not compiled, which would add two minutes to every start. One GiB of cache holds the requests of
# all tests. The model states 1024 tokens but can exceed them, because its positions are computed: a
# documented call needs 2000, and an answer that takes seconds has more than 10,000.
ENGINE = {
    "MODEL_NAME": MODEL,
    "DTYPE": "bfloat16",
    "MAX_MODEL_LEN": "16384",
    "MAX_NUM_SEQS": "4",
    "GUARD_MAX_RUNNING": "8",
    "ENABLE_ENFORCE_EAGER": "True",
    "DRAIN_SECONDS": "60",
    # No white space: a model this small would generate as much of it as it may.
    "ENGINE_ARGS": """{"enable-auto-tool-choice": true, "tool_call_parser": "hermes",
        "hf_overrides": {"max_position_embeddings": 16384},
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": true}}""",
}


@dataclass(frozen=True)
class Service:
    """Addresses and credentials; `deploy` restarts the service with another environment."""

    cluster: Cluster
    model: Path
    key: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)

    @property
    def url(self) -> str:
        return self.cluster.url

    @property
    def auth_folder(self) -> Path:
        return self.cluster.folder / "auth-config"

    def write_users(self) -> None:
        """Write the auth-config like a mounted Secret: one file per name."""
        self.auth_folder.mkdir()
        entries = {"USER_LIST": "ALICE, BOB, EVE", "JWT_KEY": self.key, "ROLES": ROLES}
        hashed = passwords.hash_password(PASSWORD)
        for alias, role in (("ALICE", "admin"), ("BOB", "user"), ("EVE", "guest")):
            entries[f"{alias}_USERNAME"] = alias.lower()
            entries[f"{alias}_HASHED_PASSWORD"] = hashed
            entries[f"{alias}_ROLE"] = role
        for name, value in entries.items():
            (self.auth_folder / name).write_text(value)

    def write(self, name: str, value: str) -> None:
        """Replace one file of the auth-config atomically, as kubelet does."""
        new = self.auth_folder / f".{name}"
        new.write_text(value)
        new.rename(self.auth_folder / name)

    def environment(self, **changes: str) -> dict[str, str]:
        return {
            **ENGINE,
            "MODEL_ID": str(self.model),
            "AUTH_CONFIG_DIR": str(self.auth_folder),
            **changes,
        }

    def application(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """The Serve application with this environment."""
        return {
            "name": APPLICATION,
            "route_prefix": "/",
            "import_path": "app.main:application",
            "runtime_env": {"env_vars": dict(environment)},
            "deployments": [{"name": DEPLOYMENT, "num_replicas": 1}],
        }

    def deploy(self, **changes: str) -> None:
        """Deploy the application and wait until it answers; RUNNING means it generated a token."""
        self.cluster.put([self.application(self.environment(**changes))])
        self.wait_running()

    def wait_running(self) -> None:
        """Wait until the service answers through Serve's ingress; RuntimeError otherwise."""
        self.cluster.wait_running(APPLICATION, START_SECONDS)
        deadline = time.monotonic() + 30
        while status(f"{self.url}/ready") != 200:  # the proxy learns of a replica a moment later
            if time.monotonic() > deadline:
                raise RuntimeError(
                    "the application is RUNNING, but /ready does not answer 200 after 30 s"
                )
            time.sleep(0.1)

    def token(self, role: str) -> str:
        """A new service token, so that each caller has separate limits."""
        (key,) = config.parse_keys({"JWT_KEY": self.key})
        name = f"test-{secrets.token_hex(4)}"
        return tokens.service_token(key, name, role, 1, time.time())[0]

    def headers(self, role: str = "user") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(role)}"}

    def replica_url(self) -> str:
        """The running replica's own port, past the ingress."""
        for port in range(self.cluster.ports.first_replica, self.cluster.ports.first_replica + 100):
            if status(f"http://127.0.0.1:{port}/health") == 200:
                return f"http://127.0.0.1:{port}"
        raise RuntimeError("no replica answers on its own port")

    def engine_processes(self) -> dict[str, int]:
        """The pids of the engine's processes below the running replica, by name."""
        (replica,) = self.running_replicas()
        pids = {}
        for pid in descendants(replica["pid"]):
            name = (Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0")[0].decode()
            if name.startswith("VLLM::"):
                pids[name] = pid
        return pids

    def running_replicas(self) -> list[dict[str, Any]]:
        """The running replicas as Serve reports them: one, except during a replacement."""
        replicas = self.cluster.replicas(APPLICATION)
        return [replica for replica in replicas if replica["state"] == "RUNNING"]

    def operator(self) -> httpx.Client:
        """A client with an admin's token, which the caller closes."""
        return httpx.Client(base_url=self.url, headers=self.headers("admin"), timeout=30)

    def metrics(self, operator: httpx.Client) -> dict[str, float]:
        """vLLM's own counters, summed over labels, without their `vllm:` prefix."""
        answer = operator.get("/metrics")
        sums: dict[str, float] = {}
        for line in answer.raise_for_status().text.splitlines():
            if line.startswith("vllm:"):
                name, _, value = line.removeprefix("vllm:").rpartition(" ")
                name = name.partition("{")[0]
                sums[name] = sums.get(name, 0.0) + float(value)
        return sums

    def log_marks(self) -> dict[Path, int]:
        """The current length of each worker's log, for `logs`."""
        folder = self.cluster.folder / "ray" / "session_latest" / "logs"
        return {file: file.stat().st_size for file in folder.glob("worker-*.err")}

    def logs(self, since: Mapping[Path, int]) -> str:
        """The lines that our code and vLLM wrote into the workers' logs since `since`.

        Each replica has its own file, and the files are not ordered by time, so the new lines are
        not at the end of their concatenation.
        """
        new = []
        for file in self.log_marks():
            with file.open("rb") as log:
                log.seek(since.get(file, 0))
                new.append(log.read().decode(errors="replace"))
        return "".join(new)

    def logged(self, words: str, since: Mapping[Path, int], seconds: float) -> str:
        """Wait for the one line with these words that was written since `since`."""
        deadline = time.monotonic() + seconds
        while True:
            # Without an unterminated line, which may be half written.
            whole = self.logs(since).rpartition("\n")[0].splitlines()
            lines = [line for line in whole if words in line]
            if lines:
                (line,) = lines
                return line
            assert time.monotonic() < deadline, f"no {words!r} in the log after {seconds} s"
            time.sleep(0.1)


def status(url: str) -> int | None:
    """The status of a GET; None if nothing answers within a second."""
    try:
        return httpx.get(url, timeout=1).status_code
    except httpx.HTTPError:
        return None


def tiny_model() -> Path:
    """The model's folder, made by a separate process: importing torch warns and takes memory."""
    cache = cache_root() / "models"
    made = subprocess.run(
        [sys.executable, "-m", "sandbox.hub.tiny_model", str(cache)],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    return Path(made.stdout.strip())
