"""`make soak MINUTES=60`: mixed load on two replicas, a kill per minute, keys and deployments.

Writes soak/soak.md and soak/soak.svg in the checkout; RAYLINE_RECORD=1 also writes the plot and
the figures into the documentation.
"""

import os
from collections.abc import Iterator

import pytest

from bench.soak import plot, report
from bench.soak.run import soak
from bench.soak.stack import Stack
from sandbox.cluster.kubectl import Kubectl
from tests.cluster.running import sandbox_command
from tests.guarantees import figures
from tests.guarantees.fixtures import Measured
from toolchain.paths import CHECKOUT

VARIABLE = "RAYLINE_SOAK_MINUTES"
MINUTES = float(os.environ.get(VARIABLE) or "0")
FOLDER = CHECKOUT / "soak"
PLOT = CHECKOUT / "docs" / "soak.svg"
SHORTEST_MINUTES = 3.0

pytestmark = [
    pytest.mark.skipif(not MINUTES, reason="only `make soak` sets its minutes"),
    pytest.mark.timeout(60 * MINUTES + 3600),
]


@pytest.fixture
def stack(kubectl: Kubectl) -> Iterator[Stack]:
    assert MINUTES >= SHORTEST_MINUTES, f"type: make soak MINUTES={SHORTEST_MINUTES:.0f}, or more"
    hub = sandbox_command("hub", timeout=2400)
    assert hub.returncode == 0, hub.stdout + hub.stderr
    prepared = Stack(kubectl)
    yield prepared
    prepared.end()


def test_what_is_killed_every_minute_serves_on(
    stack: Stack, measured: Measured, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    result = soak(MINUTES, stack, say)
    text = report.markdown(result)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "soak.md").write_text(text)
    (FOLDER / "soak.svg").write_text(plot.svg(result))
    if os.environ.get(figures.VARIABLE) == "1":
        PLOT.write_text(plot.svg(result))
    say(text)
    record(result, measured)
    assert result.faults == []


def record(result: report.Soak, measured: Measured) -> None:
    minutes = f"in {result.seconds / 60:.0f} minutes"
    unexplained = len(result.unexplained)
    measured("soak.succeeded", result.percent, "%", at_least=report.GOAL,
             note=f"of {len(result.events)} requests {minutes}")  # fmt: skip
    measured("soak.unexplained", unexplained, "failures", of=len(result.failures), at_most=0)
    for part, (memory, files) in result.growths.items():
        measured(f"soak.{part}.memory", 100 * memory.share, "%",
                 note=f"of {memory.first / 2**20:.0f} MiB {minutes}")  # fmt: skip
        measured(f"soak.{part}.descriptors", 100 * files.share, "%",
                 note=f"of {files.first:.0f} {minutes}")  # fmt: skip
