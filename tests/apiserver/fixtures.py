"""The fixtures of the API server, for tests in any folder."""

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import toolchain
from tests.apiserver.server import ApiServer
from tests.apiserver.server import api_server as started

NAMES = ("etcd", "kubernetes")
NEEDED = "RAYLINE_TEST_API_SERVER"
"""Set to `needed`, it makes the tests provide missing binaries instead of being skipped."""


@pytest.fixture(scope="session")
def api_server_binaries(request: pytest.FixtureRequest) -> dict[str, Path]:
    """Binary to path."""
    return provided(request, NAMES)


@pytest.fixture(scope="session")
def kube_score(request: pytest.FixtureRequest) -> Path:
    """The linter of manifests."""
    return provided(request, ("kube-score",))["kube-score"]


def provided(request: pytest.FixtureRequest, names: Sequence[str]) -> dict[str, Path]:
    """Binary to path. Missing ones are downloaded or built where the sandbox would do so too or
    NEEDED is set; elsewhere the test is skipped, because a build takes up to 10 minutes."""
    folders = toolchain.present(names)
    if folders is None:
        sandbox = any("cluster" in item.keywords for item in request.session.items)
        if not sandbox and os.environ.get(NEEDED) != "needed":
            pytest.skip(f"no {' and no '.join(names)}: type `make tools`")
        folders = toolchain.ensure(names, report=toolchain.ConsoleReporter())
    return {path.name: path for folder in folders.values() for path in (folder / "bin").iterdir()}


NewApiServer = Callable[[], AbstractContextManager[ApiServer]]


@pytest.fixture(scope="session")
def new_api_server(
    api_server_binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> NewApiServer:
    """`with new_api_server() as server:` starts a cluster for one test; it takes 5 seconds."""
    return lambda: started(api_server_binaries, tmp_path_factory.mktemp("api-server"))


@pytest.fixture(scope="session")
def api_server(new_api_server: NewApiServer) -> Iterator[ApiServer]:
    """The cluster that all tests share; each removes what it has made, or uses `api_namespace`."""
    with new_api_server() as server:
        yield server


@pytest.fixture(scope="session")
def other_api_server(new_api_server: NewApiServer) -> Iterator[ApiServer]:
    """A second cluster, with contexts of the same names as the first."""
    with new_api_server() as server:
        yield server


@pytest.fixture
def api_namespace(api_server: ApiServer) -> Iterator[str]:
    """A namespace of the shared cluster for one test alone; its removal is not awaited (5 s)."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    api_server.create(manifest)
    yield name
    api_server.call("DELETE", api_server.path_of(manifest))
