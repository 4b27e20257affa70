"""The behaviour towards clients and operators when the engine dies or the service stops."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from app.engine.watchdog import PERIOD_SECONDS
from bench.serving.service import APPLICATION, Service, status
from tests.app_live.calls import completion
from tests.guarantees.fixtures import Measured

pytestmark = [pytest.mark.live]


def post(base: str, headers: dict[str, str], **changes: object) -> httpx.Response:
    body = completion(**changes)
    return httpx.post(f"{base}/v1/completions", json=body, headers=headers, timeout=120)


class Streamed:
    """A stream of tokens. `begun` is set when some have arrived."""

    def __init__(self, base: str, headers: dict[str, str], **changes: object) -> None:
        self._url, self._headers = f"{base}/v1/completions", headers
        self._body = completion(stream=True, **changes)
        self.begun = threading.Event()

    def read(self) -> str:
        """All of its text; runs in a thread of its own."""
        parts = []
        with httpx.stream(
            "POST", self._url, json=self._body, headers=self._headers, timeout=90
        ) as answer:
            for part in answer.iter_text():
                parts.append(part)
                self.begun.set()
        return "".join(parts)


def wait_red(service: Service, deadline: float) -> float:
    """The time at which the request was sent whose answer showed the failure; the answer's duration
    does not count.
    """
    while True:
        asked = time.monotonic()
        if service.cluster.applications()[APPLICATION]["status"] != "RUNNING":
            return asked
        assert asked < deadline, "Serve still reports RUNNING"
        time.sleep(0.1)


def test_a_killed_engine_is_unhealthy_within_5_s_and_is_replaced(
    service: Service, measured: Measured
) -> None:
    headers = service.headers()
    own = service.replica_url()
    marks = service.log_marks()
    # Created before, because the replica answers for 6 s only.
    client = openai.OpenAI(
        base_url=f"{own}/v1",
        api_key=headers["Authorization"].removeprefix("Bearer "),
        max_retries=0,
    )
    with client, ThreadPoolExecutor(3) as pool:
        client.models.list()
        pid = service.engine_processes()["VLLM::EngineCore"]
        whole = pool.submit(post, service.url, headers)
        stream = pool.submit(post, service.url, headers, stream=True)
        time.sleep(1)
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        red = pool.submit(wait_red, service, killed + 5)
        cut = whole.result()
        assert cut.status_code == 503
        assert int(cut.headers["retry-after"]) > 0
        with pytest.raises(openai.InternalServerError) as raised:
            client.models.list()
        refused = raised.value.response
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["error"]["message"]
        assert status(f"{own}/health") == 503
        assert status(f"{own}/ready") == 503
        assert '"error"' in stream.result().text
        measured("engine.red", red.result() - killed, "s", at_most=5)
    service.wait_running()
    measured("engine.replaced", time.monotonic() - killed, "s")
    # The new engine's counters start at 0 and it has had no request: ready means one token.
    with service.operator() as operator:
        assert service.metrics(operator)["generation_tokens_total"] >= 1
    assert post(service.url, headers, max_tokens=2).status_code == 200
    line = service.logged("Engine dead", marks, 5)
    assert f"(pid {pid}) was killed by SIGKILL" in line


def test_an_engine_that_hangs_is_killed_and_replaced(
    redeployable: Service, measured: Measured
) -> None:
    """The engine is alive but does not answer: stopped here, stuck in a driver in practice.

    Who waits for a first token, and who has had some, at the ingress and at the replica's port.
    """
    service = redeployable
    service.deploy(ENGINE_STALL_SECONDS="5", GUARD_PRIORITY="true")
    headers = service.headers()
    # The role's priority is written in, which the engine accepts only if it schedules by priority.
    assert post(service.url, headers, max_tokens=2).status_code == 200
    marks = service.log_marks()
    pid = service.engine_processes()["VLLM::EngineCore"]
    bases = (service.url, service.replica_url())
    with ThreadPoolExecutor(4) as pool:
        streams = [Streamed(base, headers) for base in bases]
        broken = [pool.submit(stream.read) for stream in streams]
        assert all(stream.begun.wait(60) for stream in streams)
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        for answer in [pool.submit(post, base, headers) for base in bases]:
            cut = answer.result()
            assert cut.status_code == 503
            assert cut.json()["error"]["code"] == "engine_unavailable"
            assert int(cut.headers["retry-after"]) > 0
        for text in broken:
            assert '"error"' in text.result()
            assert '"finish_reason":"length"' not in text.result()
        seconds = time.monotonic() - began
    # A question every 10 s, and 5 s for its answer.
    longest = 5 + PERIOD_SECONDS + 5
    measured("engine.hangs", seconds, "s", at_most=longest)
    assert seconds < longest
    wait_red(service, time.monotonic() + 5)
    service.wait_running()
    assert not alive(pid)
    assert "the engine did not respond for 5 s" in service.logged("Engine dead", marks, 5)
    assert post(service.url, headers, max_tokens=2).status_code == 200


def test_streams_finish_when_the_replica_is_stopped(redeployable: Service) -> None:
    service = redeployable
    stream = Streamed(service.url, service.headers(), max_tokens=4000)
    engine = service.engine_processes()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(stream.read)
        assert stream.begun.wait(30)
        service.cluster.put([])
        text = running.result()
    assert '"finish_reason":"length"' in text
    assert text.rstrip().endswith("data: [DONE]")
    deadline = time.monotonic() + 90
    while APPLICATION in service.cluster.applications():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for name, pid in engine.items():
        assert not alive(pid), f"{name} was left behind"


def alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie; waits for an exit that is in progress."""
    for _ in range(50):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as report:
                state = report.read().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        if state == "Z":
            return False
        time.sleep(0.1)
    return True
