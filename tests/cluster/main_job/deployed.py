"""The stack `local` under test: runs Pulumi on it, and reads what changed and which pods run."""

import copy
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import paths
from sandbox.cluster.kubectl import Kubectl
from sandbox.local_stack import LocalStack
from sandbox.settings import Settings

NAMESPACE = "kuberay-projects"
OPERATOR_NAMESPACE = "kuberay-system"
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
Config = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One command of Pulumi: its output, and the operation on each resource that it changed.

    The keys of `changes` are a type's last part and the resource's name: `Job download-tiny`.
    """

    code: int
    output: str
    seconds: float
    changes: dict[str, str]


@dataclass
class Deployed:
    """A stack with its own state, on the running sandbox."""

    stack: LocalStack
    kubectl: Kubectl
    base: Config = field(default_factory=dict)
    """The stack file without a test's changes; `configure` starts from it."""
    printed: list[str] = field(default_factory=list)
    """The output of every command so far."""

    @classmethod
    def prepared(cls, folder: Path, kubectl: Kubectl) -> "Deployed":
        stack = LocalStack(folder)
        stack.prepare(Settings())
        return cls(stack, kubectl, stack.read())

    def configure(self, change: Callable[[Config], None] | None = None) -> None:
        """Write the stack file: the base with `change` applied to its `config`."""
        content = copy.deepcopy(self.base)
        if change is not None:
            change(content["config"])
        self.stack.write(content)

    def keep(self) -> None:
        """Make the stack file as it is now the base of later calls of `configure`."""
        self.base = self.stack.read()

    def set_secret(self, *arguments: str) -> None:
        self.run("config", "set", "--secret", *arguments)

    def run(self, *arguments: str, code: int = 0) -> Run:
        """Run Pulumi; fails with its output when its exit code is not `code`."""
        log = self.stack.folder / "events.jsonl"
        log.unlink(missing_ok=True)
        events = arguments[0] in {"up", "preview", "refresh", "destroy"}
        more = ("--event-log", str(log), "--non-interactive", "--color=never") if events else ()
        began = time.monotonic()
        done = self.stack.run(*arguments, *more, capture=True)
        seconds = time.monotonic() - began
        output = done.stdout + done.stderr
        self.printed.append(output)
        assert done.returncode == code, f"{arguments} ended with {done.returncode}:\n{output}"
        return Run(done.returncode, output, seconds, dict(_changes(log)) if events else {})

    def up(self, *arguments: str, code: int = 0) -> Run:
        return self.run("up", "--yes", "--skip-preview", *arguments, code=code)

    def get(self, *arguments: str) -> dict[str, Any]:
        text = self.kubectl.run("-n", NAMESPACE, "get", *arguments, "-o", "json")
        return dict(json.loads(text))

    def pods(self, group: str = "") -> dict[str, tuple[str, int]]:
        """Ray pods that are not being deleted, by name: UID and restarts of their containers."""
        selector = f"ray.io/cluster{f',ray.io/group={group}' if group else ''}"
        return {
            item["metadata"]["name"]: (
                item["metadata"]["uid"],
                sum(c["restartCount"] for c in item["status"].get("containerStatuses", [])),
            )
            for item in self.get("pods", "-l", selector)["items"]
            if "deletionTimestamp" not in item["metadata"]
        }


def _changes(log: Path) -> Iterator[tuple[str, str]]:
    """The steps in Pulumi's event log that change something."""
    if not log.exists():  # Pulumi refused before its first step
        return
    for line in log.read_text().splitlines():
        event = json.loads(line).get("resourcePreEvent")
        if event is None:
            continue
        operation, urn = event["metadata"]["op"], event["metadata"]["urn"]
        kinds, _, name = urn.rpartition("::")
        kind = kinds.rpartition("$")[2].rpartition("::")[2]
        # Components only group resources and providers only give access to them.
        ours = kind.startswith("rayline:index:")
        groups = kind.startswith(("rayline:", "pulumi:")) and not ours
        if operation not in {"same", "read", "refresh"} and not groups:
            yield f"{kind.rpartition(':')[2]} {name}", operation


def writes(since: int, agent: str = "") -> list[str]:
    """The changes made through the API server since `audit_mark`, including those of Ray's API.

    Dry runs change nothing and are omitted. `agent` is a part of the client's name.
    """
    changes = []
    with audit_log().open() as log:
        log.seek(since)
        for line in log:
            entry = json.loads(line)
            uri = entry["requestURI"]
            ours = agent in entry.get("userAgent", "")
            if ours and entry["verb"] in WRITES and "dryRun" not in uri and not _is_review(uri):
                changes.append(f"{entry['verb']} {uri} {entry.get('userAgent', '')}")
    return changes


def _is_review(uri: str) -> bool:
    """Whether the request only queries a client's rights, which Kubernetes does by POST."""
    return "/authorization.k8s.io/" in uri or "/authentication.k8s.io/" in uri


def audit_mark() -> int:
    return audit_log().stat().st_size


def audit_log() -> Path:
    return paths.LOGS / "audit.jsonl"


def registry_files() -> dict[str, float]:
    """Every file in the registry about repositories and uploads, with its modification time."""
    from toolchain.paths import cache_root

    root = cache_root() / "registry"
    return {
        str(Path(folder) / name): (Path(folder) / name).stat().st_mtime
        for folder, _, names in os.walk(root / "docker/registry/v2/repositories")
        for name in names
    }
