"""One engine for the whole session: each takes half a minute and a gigabyte to start."""

from collections.abc import Iterator

import pytest

from tests.app_live.service import Service, running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start the service anew run last, so that nobody waits for it to come back."""
    items.sort(key=lambda item: "redeployable" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with running() as started:
        yield started


@pytest.fixture
def redeployable(service: Service) -> Service:
    """For tests that start it with another environment, or leave it so or stopped."""
    return service


@pytest.fixture(params=["ingress", "replica"])
def base(request: pytest.FixtureRequest, service: Service) -> str:
    """Both ways to a replica: Serve's ingress, and the port that it opens by itself."""
    return service.url if request.param == "ingress" else service.replica_url()
