"""The stack of `make up`, deployed for the tests of this folder if it is not there already."""

from collections.abc import Iterator

import pytest

from bench.faults.client import Target
from sandbox.cluster.kubectl import Kubectl
from sandbox.local_stack import LocalStack
from tests.cluster.main_job.client import Client
from tests.cluster.main_job.deployed import NAMESPACE, Deployed
from tests.cluster.running import sandbox_command


@pytest.fixture(scope="package")
def deployed(kubectl: Kubectl, event_logs: None) -> Iterator[Deployed]:
    """Destroyed afterwards, unless it was there before."""
    there = bool(kubectl.run("get", "namespace", NAMESPACE, "-o", "name", "--ignore-not-found"))
    hub = sandbox_command("hub", timeout=2400)
    assert hub.returncode == 0, hub.stdout + hub.stderr
    stack = Deployed.prepared(LocalStack().folder, kubectl)
    stack.up()
    yield stack
    stack.configure()
    if not there:
        stack.run("destroy", "--yes", "--skip-preview")
        kubectl.run("delete", "namespace", NAMESPACE, "--ignore-not-found", timeout=120)


@pytest.fixture
def serving(deployed: Deployed) -> Deployed:
    """The stack as committed, whatever the test before did to it."""
    deployed.configure()
    deployed.up("--refresh")
    return deployed


@pytest.fixture
def target(deployed: Deployed) -> Target:
    """The model `tiny` at the API's Service, with a token of the first user."""
    outputs = deployed.stack.outputs()
    client = Client.of(outputs, "tiny", "demo", outputs["passwords"]["demo"])
    return Target(client.base, client.model, client.token)
