"""Ctrl-C, a killed CLI, and operations side by side, under the real engine."""

import base64
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.infra.providers.common.fake_api_server import CONTEXT, FakeApi, Request, refused
from tests.infra.providers.engine.programs import PLUGIN, Program
from tests.infra.providers.rollout.kuberay import FakeKubeRay, groups

pytestmark = [pytest.mark.cluster, pytest.mark.engine]

JOBS = "/apis/batch/v1/namespaces/llm/jobs"
# The CLI waits 5 s for the program, whatever the providers do: 5.0 to 5.2 s were measured.
END_SECONDS = 7.0
DOWNLOADS = 8


@dataclass
class FakeJobs(FakeApi):
    """Download Jobs that are complete as soon as `complete` holds."""

    jobs: set[str] = field(default_factory=set)
    complete: Callable[[], bool] = lambda: False
    hang: bool = False
    """Do not answer about pods, as an API server behind a broken connection."""

    def answer(self, request: Request) -> tuple[int, Any]:
        if request.path == JOBS and request.method == "POST":
            self.jobs.add(request.body["metadata"]["name"])
            return 201, {}
        if request.path == "/api/v1/namespaces/llm/pods":
            while self.hang:
                time.sleep(0.05)
            return 200, {"items": []}
        name = request.path.rsplit("/", 1)[1]
        if name not in self.jobs:
            return refused(404, "NotFound", f"{name} not found")
        if request.method == "DELETE":
            self.jobs.remove(name)
        done = [{"type": "Complete", "status": "True"}] if self.complete() else []
        return 200, {"status": {"conditions": done}}


@pytest.fixture
def jobs() -> Iterator[FakeJobs]:
    with FakeJobs() as fake:
        yield fake
        fake.hang = False


SERVE = {"head_service": "ray-head-svc", "token_secret": "ray-token"}


@pytest.fixture
def downloading(jobs: FakeJobs, tmp_path: Path) -> Program:
    program = Program(tmp_path, jobs.kubeconfig(tmp_path))
    program.write(
        "from infra.providers.download import DownloadJob, DownloadJobArgs",
        "[DownloadJob(f'd{n}', DownloadJobArgs(context=args['context'], model=f'm{n}',\n"
        "    job={'metadata': {'name': f'job-{n}', 'namespace': 'llm'}}, deadline_seconds=300))\n"
        "    for n in range(args['downloads'])]",
    )
    program.args(context=CONTEXT, downloads=1)
    return program


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def interrupt(process: "subprocess.Popen[bytes]", whole_group: bool) -> None:
    """Ctrl-C as a terminal sends it, or to the CLI alone, and the end of the CLI in time."""
    began = time.monotonic()
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    assert process.wait(60) != 0
    took = time.monotonic() - began
    print(f"the CLI ended {took:.2f} s after SIGINT")
    assert took < END_SECONDS


def test_ctrl_c_ends_a_download_and_the_next_up_continues(
    downloading: Program, jobs: FakeJobs
) -> None:
    process = downloading.start("up")
    wait_until(lambda: len(jobs.requests) > 3)
    interrupt(process, whole_group=False)
    assert "pending_operations" not in downloading.deployment()
    kept = downloading.resource("DownloadJob")
    assert kept["initErrors"] == ["interrupted; `pulumi up` continues from here"]
    assert kept["outputs"]["complete"] is False

    # Again, in the update that the next `up` performs, this time while a request is not answered.
    jobs.hang = True
    asked = len(jobs.requests)
    process = downloading.start("up")
    wait_until(lambda: any(request.path.endswith("/pods") for request in jobs.requests[asked:]))
    interrupt(process, whole_group=True)
    assert "pending_operations" not in downloading.deployment()
    assert downloading.resource("DownloadJob")["initErrors"]

    jobs.hang, jobs.complete = False, lambda: True
    assert "1 updated" in downloading.up()
    assert len(jobs.asked("POST")) == 1, "the next `up` continues with the same Job"
    assert "2 unchanged" in downloading.up()


def test_ctrl_c_ends_a_rollout_and_the_next_up_continues(tmp_path: Path) -> None:
    with FakeKubeRay(starting=10**6) as fake:
        program = Program(tmp_path, fake.kubeconfig(tmp_path))
        program.write(
            "from infra.providers.rollout import PodRollout, PodRolloutArgs",
            "PodRollout('pods', PodRolloutArgs(**args))",
        )
        wanted = groups(head=("h1", 1), a=("a1", 1))
        fake.wants(wanted)
        place = {"context": CONTEXT, "namespace": "llm", "cluster": "ray"}
        program.args(**place, **SERVE, groups=wanted, upgrade="recreate", deadline_seconds=300)
        process = program.start("up")
        wait_until(lambda: sum(request.path.endswith("/pods") for request in fake.requests) > 1)
        interrupt(process, whole_group=True)
        assert "pending_operations" not in program.deployment()
        assert program.resource("PodRollout")["initErrors"]
        pods = set(fake.pods)
        fake.starting = 1
        assert "1 updated" in program.up()
        assert set(fake.pods) == pods


def test_the_plug_in_ends_when_the_cli_was_killed(downloading: Program, jobs: FakeJobs) -> None:
    process = downloading.start("up")
    wait_until(lambda: len(jobs.requests) > 3)
    started = psutil.Process(process.pid).children(recursive=True)
    plug_ins = [child for child in started if str(PLUGIN / "__main__.py") in child.cmdline()]
    assert len(plug_ins) == 1
    process.kill()
    process.wait()
    began = time.monotonic()
    _, alive = psutil.wait_procs(plug_ins, timeout=20)
    print(f"the plug-in ended {time.monotonic() - began:.2f} s after the CLI")
    for child in started:  # Pulumi's language host does not notice, and waits for the program
        if child.is_running():
            child.kill()
    assert not alive


def test_keys_of_the_kubeconfig_do_not_stay_behind(
    downloading: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The `kubernetes` package writes them to temporary files, which it deletes at its exit."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    content = yaml.safe_load(downloading.kubeconfig.read_text())
    canary = base64.b64encode(b"canary").decode()
    cluster = {"server": "https://127.0.0.1:1", "insecure-skip-tls-verify": True}
    content["clusters"][0]["cluster"] = cluster
    content["users"][0]["user"] = {"client-certificate-data": canary, "client-key-data": canary}
    downloading.kubeconfig.write_text(yaml.safe_dump(content))

    def written() -> list[Path]:
        files = [path for path in temporary.rglob("*") if path.is_file()]
        return [path for path in files if path.read_bytes() == b"canary"]

    process = downloading.start("up")
    wait_until(written)
    interrupt(process, whole_group=False)
    wait_until(lambda: not written(), 10)


def test_eight_downloads_do_not_hold_up_the_rollout(tmp_path: Path) -> None:
    """Each Job is complete when all Jobs exist and the rollout is through, so that any queue among
    them would never end."""
    kube = FakeKubeRay(starting=1)
    fake = FakeJobs()

    class Both(FakeApi):
        def answer(self, request: Request) -> tuple[int, Any]:
            selector = request.query.get("labelSelector", "")
            if "/jobs" in request.path or "job-name" in selector:
                return fake.answer(request)
            return kube.answer(request)

    with Both() as api:
        program = Program(tmp_path, api.kubeconfig(tmp_path))
        program.write(
            "from infra.providers.download import DownloadJob, DownloadJobArgs\n"
            "from infra.providers.rollout import PodRollout, PodRolloutArgs",
            "[DownloadJob(f'd{n}', DownloadJobArgs(context=args['context'], model=f'm{n}',\n"
            "    job={'metadata': {'name': f'job-{n}', 'namespace': 'llm'}},\n"
            "    deadline_seconds=60)) for n in range(args.pop('downloads'))]\n"
            "PodRollout('pods', PodRolloutArgs(**args))",
        )
        wanted = groups(head=("h1", 1), a=("a1", 1))
        kube.wants(wanted)

        def rolled_out() -> bool:
            return len(fake.jobs) == DOWNLOADS and all(p.age > 1 for p in kube.pods.values())

        fake.complete = rolled_out
        program.args(
            context=CONTEXT,
            downloads=DOWNLOADS,
            namespace="llm",
            cluster="ray",
            groups=wanted,
            upgrade="recreate",
            deadline_seconds=60,
            **SERVE,
        )
        assert f"{DOWNLOADS + 2} created" in program.run(
            "up", "--yes", "--skip-preview", "--non-interactive", "--parallel", "16"
        )
