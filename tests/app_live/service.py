"""The service under test: one Serve application on a `Cluster`, its users and how to call it."""

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from app.auth import config, passwords, tokens
from tests.app_live.cluster import ROOT, Cluster
from toolchain.paths import cache_root

APPLICATION = "Tiny"
MODEL = "tiny"
START_SECONDS = 400.0
LONG = 16_000  # tokens
PASSWORD = "correct horse battery staple"
ROLES = '{"probe": {"groups": ["inference", "models"], "requests_per_minute": 2}}'
# Not compiled: two minutes of every start. One GiB of cache holds all of the tests' requests. The
# model says 1024 tokens and may be asked for more, as its positions are computed: the how-to's call
# wants 2000, and an answer of seconds is more than 10,000.
ENGINE = {
    "MODEL_NAME": MODEL,
    "DTYPE": "bfloat16",
    "MAX_MODEL_LEN": "16384",
    "MAX_NUM_SEQS": "4",
    "GUARD_MAX_RUNNING": "8",
    "ENABLE_ENFORCE_EAGER": "True",
    "DRAIN_SECONDS": "60",
    # Without white space, of which so small a model would write as much as it may.
    "ENGINE_ARGS": """{"enable-auto-tool-choice": true, "tool_call_parser": "hermes",
        "hf_overrides": {"max_position_embeddings": 16384},
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": true}}""",
}


@dataclass(frozen=True)
class Service:
    """Where it is reached and with what; `deploy` starts it anew with another environment."""

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
        """The auth-config as a mounted Secret has it: one file a name."""
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
        """One file of the auth-config, in one step, as kubelet does it."""
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

    def deploy(self, **changes: str) -> None:
        """Puts the application and waits until it answers; RUNNING means a first token came."""
        self.cluster.put(
            [
                {
                    "name": APPLICATION,
                    "route_prefix": "/",
                    "import_path": "app.main:application",
                    "runtime_env": {"env_vars": self.environment(**changes)},
                    "deployments": [{"name": "VLLMDeployment", "num_replicas": 1}],
                }
            ]
        )
        self.wait_running()

    def wait_running(self) -> None:
        self.cluster.wait_running(APPLICATION, START_SECONDS)
        deadline = time.monotonic() + 30
        while status(f"{self.url}/ready") != 200:  # the proxy hears of a replica a moment later
            if time.monotonic() > deadline:
                raise RuntimeError("RUNNING, and /ready does not answer 200 after 30 s")
            time.sleep(0.1)

    def token(self, role: str) -> str:
        """A service token of its own, so that one test's limits are not another's."""
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
        """Name -> pid of the engine's processes below the running replica."""
        (replica,) = self.running_replicas()
        found = {}
        for pid in descendants(replica["pid"]):
            name = (Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0")[0].decode()
            if name.startswith("VLLM::"):
                found[name] = pid
        return found

    def running_replicas(self) -> list[dict[str, Any]]:
        """As Serve reports them; one, unless one is being replaced."""
        replicas = self.cluster.replicas(APPLICATION)
        return [replica for replica in replicas if replica["state"] == "RUNNING"]

    def operator(self) -> httpx.Client:
        """A client with an admin's token; whoever takes it closes it."""
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
        """How long each worker's log is now, for `logs`."""
        folder = self.cluster.folder / "ray" / "session_latest" / "logs"
        return {file: file.stat().st_size for file in folder.glob("worker-*.err")}

    def logs(self, since: Mapping[Path, int]) -> str:
        """What the workers wrote since then, ours and vLLM's.

        By file: each replica has its own, in no order of time, so that what is new is not what is
        at the end of them all.
        """
        new = []
        for file in self.log_marks():
            with file.open("rb") as log:
                log.seek(since.get(file, 0))
                new.append(log.read().decode(errors="replace"))
        return "".join(new)

    def logged(self, words: str, since: Mapping[Path, int], seconds: float) -> str:
        """The one line with these words that was written since then, waited for."""
        deadline = time.monotonic() + seconds
        while True:
            # Without what has no end yet: the line may be half written.
            whole = self.logs(since).rpartition("\n")[0].splitlines()
            lines = [line for line in whole if words in line]
            if lines:
                (line,) = lines
                return line
            assert time.monotonic() < deadline, f"no {words!r} in the log after {seconds} s"
            time.sleep(0.1)


def status(url: str) -> int | None:
    """The status of a GET, None where nothing answers within a second."""
    try:
        return httpx.get(url, timeout=1).status_code
    except httpx.HTTPError:
        return None


def completion(**changes: Any) -> dict[str, Any]:
    """A completion that takes its whole `max_tokens`: seconds, unless changed."""
    return {"model": MODEL, "prompt": "Why", "max_tokens": LONG, "ignore_eos": True, **changes}


def descendants(pid: int) -> list[int]:
    """Every process below `pid`, from the kernel's tables."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(int(fields[1]), []).append(int(folder.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def tiny_model() -> Path:
    """Made by a process of its own: torch's import warns, and its memory would stay with us."""
    cache = cache_root() / "models"
    made = subprocess.run(
        [sys.executable, "-m", "sandbox.hub.tiny_model", str(cache)],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    return Path(made.stdout.strip())


@contextmanager
def running() -> Iterator[Service]:
    """The service from nothing to RUNNING, and back."""
    cluster = Cluster()
    service = Service(cluster, tiny_model())
    try:
        service.write_users()
        cluster.start()
        service.deploy()
        yield service
    finally:
        keep = os.environ.get("RAYLINE_TEST_LOGS")  # a folder: where to look after a failure
        if keep:
            logs = cluster.folder / "ray" / "session_latest" / "logs"
            shutil.copytree(logs, Path(keep) / cluster.folder.name, dirs_exist_ok=True)
        cluster.stop()
