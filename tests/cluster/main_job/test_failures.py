"""Models that cannot start: `up` shows why, others keep serving, and the next `up` repairs it."""

import re

import pytest

from tests.cluster.main_job.client import Client
from tests.cluster.main_job.conftest import USER, Secrets
from tests.cluster.main_job.deployed import Deployed, Run
from tests.cluster.main_job.steps import COMMIT, add_model, second_with, step


@pytest.fixture(scope="module")
def grown(prepared: Deployed, first: Run) -> Deployed:
    """Both groups and both models."""
    prepared.configure(add_model)
    prepared.up()
    return prepared


BROKEN = {
    "import error": (
        second_with(env={"PYTHONPATH": "/nowhere"}),
        r"second is DEPLOY_FAILED.*No module named 'app'",
    ),
    "missing weights": (
        second_with(source="rayline/tiny-broken", revision=COMMIT),
        r"no weights",
    ),
    "does not fit": (
        second_with(engineArgs={"num_gpu_blocks_override": 1}),
        r"second is DEPLOY_FAILED: [\w.]*EngineStartError: ValueError: No available memory",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_the_cause_is_shown_and_the_other_model_keeps_serving(
    grown: Deployed, user: Client, canaries: Secrets, kind: str
) -> None:
    change, words = BROKEN[kind]
    broken = step(grown, user, change, code=1)
    assert re.search(words, broken.run.output, re.DOTALL), broken.run.output
    assert "Traceback (most recent call last):\n  File" not in _ours(broken.run.output)
    broken.assert_tiny_was_undisturbed()
    assert broken.after == broken.before

    # Correcting the value is enough; nothing else is done by hand.
    mended = step(grown, user, add_model)
    mended.assert_tiny_was_undisturbed()
    second = Client.of(grown.stack.outputs(), "second", USER, canaries.password)
    assert second.chat()


def _ours(output: str) -> str:
    """The output without the indented quotations from Ray, which may contain a traceback."""
    return "\n".join(line for line in output.splitlines() if not line.startswith("    "))
