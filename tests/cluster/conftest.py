"""Fixtures for the tests that run on the sandbox."""

import json
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import paths, shell
from sandbox.cluster.kubectl import Kubectl
from sandbox.node import health
from sandbox.settings import Settings
from tests.cluster.running import sandbox_command

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and run those that stop the sandbox last."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)
    items.sort(key=lambda i: ("cluster" in i.keywords) + ("lifecycle" in i.keywords))


@pytest.fixture(scope="session")
def restarts() -> dict[str, int]:
    """Component -> its restarts before the tests began, none in a sandbox that they start; a test
    that causes some adds them."""
    running = health.is_running()
    return {row.name: row.restarts if running else 0 for row in health.rows(Settings())}


@pytest.fixture(scope="session")
def sandbox_up(restarts: dict[str, int]) -> Iterator[None]:
    """A running sandbox. One that ran before the tests keeps running; otherwise it is stopped."""
    ran_before = health.is_running()
    started = sandbox_command("up", timeout=4500)
    assert started.returncode == 0, started.stdout + started.stderr
    yield
    if not ran_before:
        stopped = sandbox_command("down")
        assert stopped.returncode == 0, stopped.stdout + stopped.stderr


@pytest.fixture(scope="session")
def event_logs() -> Iterator[None]:
    """Enable Pulumi's hidden option --event-log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_DEBUG_COMMANDS", "true")
        yield


@pytest.fixture(scope="session")
def kubectl(sandbox_up: None) -> Kubectl:
    return Kubectl(paths.BIN / "kubectl", paths.KUBECONFIG)


@pytest.fixture(scope="session")
def images(sandbox_up: None) -> dict[str, str]:
    """References of the sandbox's own images: pause, coredns, operator, base."""
    return dict(json.loads((paths.STATE / "images.json").read_text()))


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace for this test alone."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl.run("create", "namespace", name)
    yield name
    kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def sandbox_environment(sandbox_up: None) -> dict[str, str]:
    """The environment of a shell after `make sandbox-env`, with this Python first on PATH."""
    variables = os.environ | shell.environment()
    return variables | {"PATH": f"{Path(sys.executable).parent}:{variables['PATH']}"}
