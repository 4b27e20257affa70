"""Downloads where only reality shows: a proxy, a hub that nobody reaches without it, and Jobs of an
earlier configuration. With RAYLINE_GPU_TAINT=1 every node is tainted too."""

import pytest

from sandbox.hub import deploy
from tests.cluster.main_job.client import Client
from tests.cluster.main_job.conftest import USER, Secrets
from tests.cluster.main_job.deployed import Config, Deployed, Run
from tests.cluster.main_job.steps import second_with, step

UNREACHABLE = "http://hub.invalid"


@pytest.fixture(scope="module")
def running(prepared: Deployed, first: Run) -> Deployed:
    prepared.configure()
    prepared.up()
    return prepared


def proxied(config: Config) -> None:
    """The hub's server answers whole addresses, as a proxy does."""
    second_with()(config)
    config["rayline:hub"] = {**config["rayline:hub"], "endpoint": UNREACHABLE}
    config["rayline:network"] = {"httpProxy": deploy.URL}


def test_a_download_goes_through_the_proxy(
    running: Deployed, user: Client, canaries: Secrets
) -> None:
    done = step(running, user, proxied)
    done.assert_tiny_was_undisturbed()
    assert done.after.items() >= done.before.items()
    (job,) = running.get("jobs", "-l", "rayline.dev/model=second")["items"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert {"name": "HF_ENDPOINT", "value": UNREACHABLE} in container["env"]
    second = Client.of(running.stack.outputs(), "second", USER, canaries.password)
    assert second.chat()
