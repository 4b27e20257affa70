"""What `up` and the service depend on fails: the claim, the hub, the Secret. Models go on."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from bench.faults import state
from bench.faults.client import Client, Target
from bench.faults.seen import Seen
from sandbox.cluster.kubectl import Kubectl
from sandbox.hub import deploy
from sandbox.node import lifecycle
from tests.cluster.main_job.deployed import NAMESPACE, Config, Deployed
from tests.cluster.main_job.steps import SECOND_COMMIT
from tests.guarantees.fixtures import Measured

pytestmark = pytest.mark.long
STREAMS = 5
SECONDS_AFTER = 20.0
SCALE = ("-n", deploy.NAMESPACE, "scale", f"deployment/{deploy.NAME}")


def swap(config: Config) -> None:
    config["rayline:models"][0]["revision"] = SECOND_COMMIT


def slow(config: Config) -> None:
    """From a repository whose download takes many seconds."""
    config["rayline:models"][0]["source"] = "rayline/tiny-slow"


def nothing_was_seen(name: str, seen: Seen, measured: Measured) -> None:
    measured(f"fault.{name}.failed", seen.failed, "requests", of=len(seen.requests), at_most=0)
    measured(f"fault.{name}.cut", seen.cut, "streams", of=len(seen.streams), at_most=0)
    assert len(seen.requests) > 50
    assert seen.failures == [], seen.classes()


@contextmanager
def full(kubectl: Kubectl) -> Iterator[None]:
    """New pods find the claim of the weights full; those that run keep theirs."""
    claims = json.loads(kubectl.run("-n", NAMESPACE, "get", "pvc", "-o", "json"))["items"]
    (volume,) = (
        claim["spec"]["volumeName"]
        for claim in claims
        if not claim["metadata"]["name"].endswith("-store")
    )
    spec = json.loads(kubectl.run("get", "pv", volume, "-o", "json"))["spec"]
    path = spec["hostPath"]["path"]
    holder = lifecycle.owner()
    assert holder
    node = ("nsenter", "--mount", "--target", str(holder["pid"]), "--")
    options = ("-t", "tmpfs", "-o", "size=64k,mode=1777", "tmpfs", path)
    subprocess.run([*node, "mount", *options], check=True, timeout=30)
    try:
        yield
    finally:
        subprocess.run([*node, "umount", "--lazy", path], check=True, timeout=30)


def test_a_full_claim_stops_up_with_its_name_and_no_model(
    serving: Deployed, target: Target, kubectl: Kubectl, measured: Measured
) -> None:
    serving.configure(swap)
    with full(kubectl), Client(target, STREAMS).working() as client:
        run = serving.up(code=1)
    assert "Enlarge the claim" in run.output, run.output
    nothing_was_seen("claim-full", client.seen, measured)
    # With space again, the same `up` goes on.
    assert "DownloadJob download-tiny" in serving.up().changes


def test_a_hub_that_is_lost_in_a_download_is_waited_for(
    serving: Deployed, target: Target, kubectl: Kubectl, measured: Measured
) -> None:
    serving.configure(slow)
    with ThreadPoolExecutor(1) as pool:
        with Client(target, STREAMS).working() as client:
            run = pool.submit(serving.up)
            selector = ("-l", "rayline.dev/model=tiny", "--field-selector=status.phase=Running")
            while '"Running"' not in kubectl.run(
                *("-n", NAMESPACE, "get", "pods", *selector, "-o", "json")
            ):
                assert not run.done(), run.result().output
                time.sleep(0.3)
            time.sleep(2)
            kubectl.run(*SCALE, "--replicas=0")
            time.sleep(15)
            assert not run.done(), "the download had ended before the hub was lost"
        kubectl.run(*SCALE, "--replicas=1")
        began = time.monotonic()
        done = run.result()
    measured("fault.hub-lost.seconds", time.monotonic() - began, "s",
             note="from the hub's return to the end of `up`")  # fmt: skip
    assert "DownloadJob download-tiny" in done.changes
    nothing_was_seen("hub-lost", client.seen, measured)


@pytest.mark.parametrize("key", ["JWT_KEY", "USER_LIST"])
def test_a_secret_that_is_broken_by_hand_refuses_nobody_and_up_mends_it(
    key: str, serving: Deployed, target: Target, kubectl: Kubectl, measured: Measured
) -> None:
    secret = serving.get("secret", "auth-config")["data"]
    assert key in secret, sorted(secret)
    broken = base64.b64encode(b"\xff\x00 broken by hand").decode()
    with Client(target, STREAMS).working() as client:
        patch = json.dumps({"data": {key: broken}})
        kubectl.run("-n", NAMESPACE, "patch", "secret", "auth-config", "-p", patch)
        # A changed annotation makes kubelet look at the Secret at once.
        selector = state.PODS["worker's pod"][1]
        mark = f"rayline.test/looked={time.time():.0f}"
        kubectl.run("-n", NAMESPACE, "annotate", "pods", "-l", selector, "--overwrite", mark)
        wait_mounted(serving, kubectl)
        time.sleep(SECONDS_AFTER)
    nothing_was_seen(f"secret-{key.lower().replace('_', '-')}", client.seen, measured)
    mended = serving.up("--refresh")
    assert any("Secret" in name for name in mended.changes), mended.changes
    assert serving.get("secret", "auth-config")["data"] == secret


def wait_mounted(deployed: Deployed, kubectl: Kubectl) -> None:
    """Wait until the worker's file is the broken one."""
    (pod,) = deployed.pods("rtx-3090")
    look = ("exec", pod, "-c", "ray-worker", "--", "bash", "-c",
            "grep -la 'broken by hand' /etc/rayline/auth-config/* || true")  # fmt: skip
    deadline = time.monotonic() + 150
    while not kubectl.run("-n", NAMESPACE, *look).strip():
        assert time.monotonic() < deadline, "kubelet did not deliver the Secret"
        time.sleep(1)
