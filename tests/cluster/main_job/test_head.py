"""The head is lost while a client asks and reads a stream: workers and models go on, and nobody has
to type anything.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from sandbox.cluster.kubectl import Kubectl
from tests.cluster.main_job.client import Client
from tests.cluster.main_job.deployed import NAMESPACE, Config, Deployed
from tests.guarantees.fixtures import Measured

PERIOD_SECONDS = 0.1
AFTERWARDS_SECONDS = 15.0
"""A controller that recovers stops what it could not ask: not at once."""
RECOVERY_SECONDS = 180.0
STREAM_TOKENS = 900
# grep fails where a process ends meanwhile.
ENGINE = "grep -las '^VLLM::EngineCore' /proc/[0-9]*/cmdline || true"
KILL_STORE = "kill -9 $(grep -las '^[^ ]*gcs_server' /proc/[0-9]*/cmdline | cut -d/ -f3 | head -n1)"


class Probe:
    """Requests that a replica answers, one every 0.1 s unless the last is still on its way."""

    def __init__(self, client: Client) -> None:
        self._base = client.base
        self.asked = 0
        self.failures: list[str] = []
        self.last_failure = self._began = time.monotonic()

    def work(self, over: threading.Event) -> None:
        while not over.wait(PERIOD_SECONDS):
            self.asked += 1
            try:
                answer = httpx.get(f"{self._base}/ready", timeout=15, trust_env=False)
                failed = "" if answer.status_code == 200 else f"status {answer.status_code}"
            except httpx.HTTPError as error:
                failed = repr(error)
            if failed:
                self.last_failure = time.monotonic()
                self.failures.append(failed)

    @property
    def seconds(self) -> float:
        """From the start to the last failure."""
        return self.last_failure - self._began


@contextmanager
def probing(*probes: Probe) -> Iterator[None]:
    over = threading.Event()
    with ThreadPoolExecutor(len(probes)) as pool:
        running = [pool.submit(probe.work, over) for probe in probes]
        try:
            yield
        finally:
            over.set()
            for each in running:
                each.result()


class Cluster:
    """What must stay the same while a head is lost."""

    def __init__(self, deployed: Deployed, kubectl: Kubectl) -> None:
        self._deployed, self._kubectl = deployed, kubectl

    def head(self) -> str:
        (name,) = self._deployed.pods("headgroup")
        return name

    def workers(self) -> tuple[dict[str, tuple[str, int]], str]:
        """The worker with its restarts, and the engine's process in it."""
        found = self._deployed.pods("rtx-3090")
        (name,) = found
        engine = self.execute(name, "ray-worker", ENGINE).strip()
        assert engine
        return found, engine

    def worker_address(self) -> str:
        (name,) = self._deployed.pods("rtx-3090")
        return f"http://{self._deployed.get('pod', name)['status']['podIP']}:8000"

    def execute(self, pod: str, container: str, script: str) -> str:
        return self._kubectl.run("-n", NAMESPACE, "exec", pod, "-c", container, "--", "bash", "-c",
                                 script)  # fmt: skip

    def delete_head(self) -> None:
        self._kubectl.run("-n", NAMESPACE, "delete", "pod", self.head(), "--wait=false")

    def kill_store(self) -> None:
        self.execute(self.head(), "ray-head", KILL_STORE)


@pytest.fixture
def cluster(serving: Deployed, kubectl: Kubectl) -> Cluster:
    return Cluster(serving, kubectl)


def stream(client: Client) -> str:
    return client.chat("Tell me everything.", tokens=STREAM_TOKENS)


def wait_answering(client: Client) -> None:
    """Wait until the API's Service answers again."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            url = f"{client.base}/ready"
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, f"no answer after {RECOVERY_SECONDS:.0f} s"
        time.sleep(0.5)


@pytest.mark.parametrize(
    "lose", [Cluster.delete_head, Cluster.kill_store], ids=["deleted", "store-killed"]
)
def test_nobody_notices_a_lost_head(
    lose: Callable[[Cluster], None],
    cluster: Cluster,
    serving: Deployed,
    user: Client,
    measured: Measured,
    request: pytest.FixtureRequest,
) -> None:
    head, before = serving.pods("headgroup"), cluster.workers()
    at_worker = Client(cluster.worker_address(), user.model, user.token)
    worker, service = Probe(at_worker), Probe(user)
    with ThreadPoolExecutor(2) as pool, probing(worker, service):
        texts: list[Future[str]] = [pool.submit(stream, each) for each in (at_worker, user)]
        time.sleep(2)
        lose(cluster)
        wait_new_head(serving, head)
        wait_answering(user)
        time.sleep(AFTERWARDS_SECONDS)
        assert all(text.result() for text in texts)
    name = f"head.{request.node.callspec.id}"
    measured(f"{name}.worker", len(worker.failures), "requests", of=worker.asked, at_most=0)
    measured(f"{name}.service", len(service.failures), "requests", of=service.asked, at_most=0)
    for probe in (worker, service):
        assert probe.asked > 20
        assert probe.failures == []
    assert cluster.workers() == before
    # A new head is looked at by the next `up`, which has nothing to mend.
    serving.up("--refresh")
    assert cluster.workers() == before
    assert user.chat()


def wait_new_head(deployed: Deployed, old: dict[str, tuple[str, int]]) -> None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        now = deployed.pods("headgroup")
        if now and now != old:
            return
        assert time.monotonic() < deadline, "the head was neither replaced nor restarted"
        time.sleep(0.5)


def test_a_changed_head_is_replaced_alone(
    cluster: Cluster, serving: Deployed, user: Client
) -> None:
    def change(config: Config) -> None:
        config["rayline:ray"]["head"]["env"] = {"RAYLINE_TEST": "changed"}

    head, before = serving.pods("headgroup"), cluster.workers()
    probe = Probe(user)
    serving.configure(change)
    with probing(probe):
        serving.up()
    assert not set(head) & set(serving.pods("headgroup"))
    assert probe.failures == []
    assert cluster.workers() == before
    assert user.chat()
