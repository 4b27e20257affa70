"""One engine for the whole session, because each takes half a minute and a gigabyte to start."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.serving.cluster import Cluster
from bench.serving.service import Service, tiny_model


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that restart the service last, so that no other test waits for it."""
    items.sort(key=lambda item: "redeployable" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    cluster = Cluster()
    started = Service(cluster, tiny_model())
    try:
        started.write_users()
        cluster.start()
        started.deploy()
        yield started
    finally:
        keep = os.environ.get("RAYLINE_TEST_LOGS")  # a folder for the logs of a failure
        if keep:
            logs = cluster.folder / "ray" / "session_latest" / "logs"
            shutil.copytree(logs, Path(keep) / cluster.folder.name, dirs_exist_ok=True)
        cluster.stop()


@pytest.fixture
def redeployable(service: Service) -> Service:
    """For tests that restart the service, change its environment or leave it stopped."""
    return service


@pytest.fixture(params=["ingress", "replica"])
def base(request: pytest.FixtureRequest, service: Service) -> str:
    """Both ways to a replica: Serve's ingress, and the port that the replica itself opens."""
    return service.url if request.param == "ingress" else service.replica_url()
