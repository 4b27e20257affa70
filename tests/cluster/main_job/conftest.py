"""One deployment for all tests of the main job, because building and starting it takes minutes."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from sandbox.cluster.kubectl import Kubectl
from sandbox.hub.repositories import TOKEN
from sandbox.local_stack import LocalStack
from sandbox.settings import Settings
from tests.cluster.main_job.client import Client
from tests.cluster.main_job.deployed import NAMESPACE, Deployed, Run
from tests.cluster.running import sandbox_command

HERE = Path(__file__).parent
USER = "canary"
ORDER = (
    "test_up",
    "test_lost_head",
    "test_swaps",
    "test_head",
    "test_failures",
    "test_release",
    "test_downloads",
    "test_ownership",
    "test_secrets",
    "test_rollouts",
    "test_destroy",
)
"""The order of the files in a full run.

Every file also runs alone: its fixtures (`first`, `serving`, `asked`, `grown`) deploy what its
tests expect. In a full run the files share one deployment, so the order matters: `test_up` examines
the first `up`, `test_swaps` enables a group that was never enabled before, `test_secrets` searches
the traces of everything before it, and `test_destroy` removes the deployment.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files by `ORDER`, in the places that they have among all tests."""
    ours = [item for item in items if item.path.parent == HERE]
    ours.sort(key=lambda item: ORDER.index(item.path.stem))
    rest = iter(ours)
    items[:] = [next(rest) if item.path.parent == HERE else item for item in items]


@dataclass(frozen=True, repr=False)
class Secrets:
    """Values that must never appear in plain text; `password` is in no configuration at all."""

    jwt_key: str = field(default_factory=lambda: f"canary-jwt-{secrets.token_urlsafe(32)}")
    jwt_previous: str = field(default_factory=lambda: f"canary-old-{secrets.token_urlsafe(32)}")
    hub_token: str = TOKEN  # the sandbox's hub refuses any other token, as the real one does
    ray_token: str = field(default_factory=lambda: f"canary-ray-{secrets.token_hex(32)}")
    registry: str = field(default_factory=lambda: f"canary-reg-{secrets.token_hex(16)}")
    password: str = field(default_factory=lambda: f"canary-pw-{secrets.token_urlsafe(12)}")
    hash: str = ""

    def texts(self) -> dict[str, str]:
        return {name: str(value) for name, value in vars(self).items()}


@pytest.fixture(scope="package")
def canaries() -> Secrets:
    made = Secrets()
    hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
    return Secrets(**(made.texts() | {"hash": hasher.hash(made.password)}))


@pytest.fixture(scope="package")
def prepared(kubectl: Kubectl, canaries: Secrets, event_logs: None) -> Iterator[Deployed]:
    """The hub runs and the stack's configuration is written, but nothing of it is deployed yet."""
    free_the_sandbox()
    hub = sandbox_command("hub", timeout=2400)
    assert hub.returncode == 0, hub.stdout + hub.stderr
    folder = Path(tempfile.mkdtemp(prefix="rayline main job "))
    deployed = Deployed.prepared(folder, kubectl)
    for name, value in (
        ("jwtKey", canaries.jwt_key),
        ("jwtPreviousKeys", canaries.jwt_previous),
        ("hubToken", canaries.hub_token),
        ("rayToken", canaries.ray_token),
        ("registryPassword", canaries.registry),
    ):
        deployed.set_secret(f"rayline:{name}", value)
    deployed.run("config", "set", "rayline:registryUsername", "someone")
    deployed.set_secret("--path", f"rayline:userHashes.{USER}", canaries.hash)
    deployed.keep()
    deployed.base["config"]["rayline:auth"]["users"].append({"name": USER, "role": "user"})
    deployed.configure()
    yield deployed
    deployed.configure()
    deployed.run("destroy", "--yes", "--skip-preview")
    kubectl.run("delete", "namespace", NAMESPACE, "--ignore-not-found", timeout=120)
    shutil.rmtree(folder)


def free_the_sandbox() -> None:
    """Destroy the deployment of an earlier `make up`, because a cluster has room for only one."""
    stack = LocalStack()
    if (stack.folder / "state").exists():
        stack.prepare(Settings())
        done = stack.run("destroy", "--yes", "--skip-preview", capture=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="package")
def first(prepared: Deployed) -> Run:
    """The first `up`, on an empty cluster."""
    return prepared.up()


@pytest.fixture
def serving(prepared: Deployed, first: Run) -> Deployed:
    """The stack as committed, deployed and answering."""
    prepared.configure()
    prepared.up()
    return prepared


@pytest.fixture
def user(prepared: Deployed, first: Run, canaries: Secrets) -> Client:
    """A user of the model `tiny`."""
    return Client.of(prepared.stack.outputs(), "tiny", USER, canaries.password)
