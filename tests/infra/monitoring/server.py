"""A Prometheus on loopback that scrapes nothing and has the recorded run."""

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.infra.monitoring import recording

AGO_S = 6 * 3600
"""Long enough ago for the samples to be in blocks, which is how promtool adds them."""
CARDS = """\
ray_node_gpus_utilization{ip="192.0.2.2",GpuIndex="0"}
ray_node_gram_used{ip="192.0.2.2",GpuIndex="0"}
ray_node_gram_available{ip="192.0.2.2",GpuIndex="0"}
DCGM_FI_DEV_GPU_UTIL{Hostname="a",gpu="0"}
DCGM_FI_DEV_FB_USED{Hostname="a",gpu="0"}
DCGM_FI_DEV_FB_FREE{Hostname="a",gpu="0"}
""".splitlines()
"""Made, not recorded: the machine of the recording has no card. Ray's are in
ray/dashboard/modules/reporter/reporter_agent.py, DCGM's in its exporter's default list."""


@dataclass(frozen=True)
class Prometheus:
    """Answers queries about the recorded run, which began at `start`, in Unix time."""

    url: str
    start: float
    seconds: float

    def query(self, query: str) -> list[Any]:
        """The series of a query over the whole run; AssertionError if it is refused."""
        answer = httpx.get(
            f"{self.url}/api/v1/query_range",
            params={
                "query": query,
                "start": self.start,
                "end": self.start + self.seconds,
                "step": 10,
            },
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"]["result"])


@contextmanager
def started(binaries: Mapping[str, Path], folder: Path) -> Iterator[Prometheus]:
    """Start it and wait until it answers; ended with the block."""
    run = recording.read()
    start = float(int(time.time()) - AGO_S)  # whole, as the times of the samples
    lines = recording.exposition(with_cards(run), start, 'namespace="llm",pod="rayline-worker"')
    (folder / "run.txt").write_text("\n".join(lines) + "\n")
    (folder / "prometheus.yml").write_text("{}\n")
    subprocess.run(
        [binaries["promtool"], "tsdb", "create-blocks-from", "openmetrics", "run.txt", "data"],
        cwd=folder, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                str(binaries["prometheus"]),
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            cwd=folder, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            wait(url, process, folder / "log")
            yield Prometheus(url, start, run.seconds[-1])
        finally:
            process.terminate()
            process.wait(30)


def with_cards(run: recording.Recording) -> recording.Recording:
    """The recording with the cards of a node that it does not have."""
    made = {series: [50.0] * len(run.seconds) for series in CARDS}
    return recording.Recording(run.seconds, {**run.series, **made})


def wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/-/ready", timeout=1).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"Prometheus did not start:\n{log.read_text()}")
