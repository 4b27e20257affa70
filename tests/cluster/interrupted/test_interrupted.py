"""An `up` that is killed or interrupted at any moment: `rayline unlock` and `up` converge.

`make test` kills one first deployment and one change in the middle. `make test-long` kills ten of
each, `make test-faults` twenty, and prints the moments: RAYLINE_KILLS is the number,
RAYLINE_KILLS_SEED the moments' seed.
"""

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.unlock import Run, unlock
from sandbox.cluster.kubectl import Kubectl
from tests.cluster.interrupted.running_up import end, running_up
from tests.cluster.main_job.client import Client
from tests.cluster.main_job.conftest import free_the_sandbox
from tests.cluster.main_job.deployed import NAMESPACE, Config, Deployed
from tests.cluster.running import sandbox_command
from tests.guarantees.fixtures import Measured

KILLS = int(os.environ.get("RAYLINE_KILLS") or "10")
SEED = os.environ.get("RAYLINE_KILLS_SEED", "rayline")
DESTROY = ("destroy", "--yes", "--skip-preview")
PHASES = {
    "the image's build": r"docker-build:index:Image image creating.*#\d",
    "the CRDs": r"KubeRayCrds kuberay-crds creating",
    "the operator's chart": r"Deployment kuberay-operator creating",
    "the download": r"DownloadJob download-tiny creating",
    "the pods": r"PodRollout pods creating",
    "the applications": r"ServeApplications applications creating",
}
MIDDLE = r"(DownloadJob download-tiny creating|ServeApplications applications updating)"
"""In the output of a first `up`, and of a change of a model's settings."""
STARTED: list[int] = []
"""Sessions of killed `up`s, in which plug-ins may be left."""
INTERRUPTED_SECONDS = 60.0
"""Pulumi waits for its plug-ins; BuildKit and Helm may take seconds to stop."""


@pytest.fixture(scope="module")
def stack(kubectl: Kubectl, event_logs: None) -> Iterator[Deployed]:
    """A stack with its own state; nothing of it is deployed."""
    free_the_sandbox()
    hub = sandbox_command("hub", timeout=2400)
    assert hub.returncode == 0, hub.stdout + hub.stderr
    folder = Path(tempfile.mkdtemp(prefix="rayline interrupted "))
    deployed = Deployed.prepared(folder, kubectl)
    yield deployed
    for session in STARTED:
        end(session)
    deployed.configure()
    unlock("local", _pulumi(deployed), force=True)
    deployed.run(*DESTROY)
    kubectl.run("delete", "namespace", NAMESPACE, "--ignore-not-found", timeout=120)
    shutil.rmtree(folder)


def _pulumi(deployed: Deployed) -> Run:
    return lambda *arguments, stdin=None: deployed.stack.run(*arguments, capture=True, stdin=stdin)


def converges(deployed: Deployed) -> float:
    """Unlock, `up`, and a second `up` without changes; the model answers. Returns the seconds."""
    began = time.monotonic()
    unlock("local", _pulumi(deployed), force=True)
    run = deployed.up()
    assert "pending" not in run.output
    outputs = deployed.stack.outputs()
    assert Client.of(outputs, "tiny", "demo", outputs["passwords"]["demo"]).chat()
    seconds = time.monotonic() - began
    assert deployed.up("--expect-no-changes").changes == {}
    return seconds


def moments(kind: str, whole: float) -> list[float]:
    """One random moment in each of as many equal parts of `whole` seconds as there are kills."""
    chosen = random.Random(f"{SEED} {kind}")
    part = whole / KILLS
    return [part * (number + chosen.random()) for number in range(KILLS)]


def killed(deployed: Deployed, moment: float, number: int) -> str:
    """Kill an `up` after `moment` seconds; returns the last line that it had printed."""
    with running_up(deployed.stack) as running:
        STARTED.append(running.process.pid)
        time.sleep(moment)
        ended = running.process.poll() is not None
        running.kill(plugins=bool(number % 2))
        lines = [line for line in running.output.splitlines() if line.strip("@. ")]
    return "it had ended" if ended else lines[-1].strip()[:90] if lines else "nothing printed"


def report(capsys: pytest.CaptureFixture[str], what: str, last: str, seconds: float) -> None:
    with capsys.disabled():
        print(f"\n{what}, at: {last}; converged after {seconds:.0f} s", flush=True)


def record(measured: Measured, kind: str, taken: list[float]) -> None:
    """After each kill, so that those before one that does not converge are recorded."""
    count = len(taken)
    measured(f"up.killed-{kind}", count, "kills", of=KILLS, at_least=KILLS)
    measured(f"up.killed-{kind}-seconds", max(taken), "s")


def other_length(config: Config) -> None:
    config["rayline:models"][0]["maxModelLen"] = 512


def other_environment(config: Config) -> None:
    config["rayline:ray"]["env"] |= {"RAYLINE_TEST": "changed"}


@pytest.mark.parametrize("change", [None, other_length], ids=["first", "change"])
def test_an_up_that_is_killed_once(
    stack: Deployed, change: Callable[[Config], None] | None
) -> None:
    stack.configure(change)
    with running_up(stack.stack) as running:
        assert running.wait_for(MIDDLE, 300), running.output
        running.kill(plugins=True)
    converges(stack)


@pytest.mark.long
@pytest.mark.timeout(600 * (KILLS + 1))
def test_ten_first_ups_are_killed(
    stack: Deployed, capsys: pytest.CaptureFixture[str], measured: Measured
) -> None:
    stack.configure()
    stack.run(*DESTROY)
    began = time.monotonic()
    stack.up()
    whole = time.monotonic() - began
    taken: list[float] = []
    for number, moment in enumerate(moments("first", whole)):
        stack.run(*DESTROY)
        last = killed(stack, moment, number)
        seconds = converges(stack)
        report(capsys, f"first up killed after {moment:.1f} s of {whole:.0f} s", last, seconds)
        taken.append(seconds)
        record(measured, "first", taken)


@pytest.mark.long
@pytest.mark.timeout(600 * (KILLS + 1))
def test_ten_changes_are_killed(
    stack: Deployed, capsys: pytest.CaptureFixture[str], measured: Measured
) -> None:
    """By turns a swap of the model's settings, which keeps the pods, and one that replaces them."""
    stack.configure()
    stack.up()
    wholes: dict[str, float] = {}
    taken: list[float] = []
    for number in range(KILLS):
        change = (other_length, other_environment)[number % 2]
        if change.__name__ not in wholes:
            stack.configure(change)
            began = time.monotonic()
            stack.up()
            wholes[change.__name__] = time.monotonic() - began
            stack.configure()
            stack.up()
        stack.configure(change)
        whole = wholes[change.__name__]
        moment = moments("change", whole)[number]
        last = killed(stack, moment, number)
        seconds = converges(stack)
        report(
            capsys, f"{change.__name__} killed after {moment:.1f} s of {whole:.0f} s", last, seconds
        )
        taken.append(seconds)
        record(measured, "change", taken)
        stack.configure()
        stack.up()


@pytest.mark.long
@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_in_each_phase_of_a_first_up(stack: Deployed, phase: str) -> None:
    stack.configure()
    stack.run(*DESTROY)
    with running_up(stack.stack) as running:
        assert running.wait_for(PHASES[phase], 300), running.output
        assert running.interrupt(INTERRUPTED_SECONDS) != 0
        output = running.output
    assert "Traceback" not in output
    run = stack.up()
    assert "pending" not in run.output
    outputs = stack.stack.outputs()
    assert Client.of(outputs, "tiny", "demo", outputs["passwords"]["demo"]).chat()
