"""A namespace for dry runs on the shared API server."""

import pytest

from tests.apiserver.server import ApiServer
from tests.infra.validation.dry_run import PLACE, DryRun


@pytest.fixture(scope="session")
def dry_run(api_server: ApiServer) -> DryRun:
    if api_server.find("v1", "Namespace", PLACE) is None:
        api_server.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}})
    return DryRun(api_server)
