"""A stranger with a machine, a cluster and a registry, who has never used rayline."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import paths
from sandbox.cluster.kubectl import Kubectl
from sandbox.hub import deploy as hub
from tests.cluster.main_job.conftest import free_the_sandbox
from tests.cluster.running import sandbox_command
from tests.cluster.theirs import cluster, registry
from tests.cluster.theirs.shell import Shell, login
from toolchain.paths import cache_root

COMMAND_SECONDS = 1800.0
"""The longest: `pulumi up`, with the image's build, push and pull."""


@dataclass
class Stranger:
    """Their terminal, their own kubectl, and what was in their cluster before rayline."""

    shell: Shell
    kubectl: Kubectl
    before: dict[str, str]
    deployed: bool = False

    @property
    def checkout(self) -> Path:
        """Where their terminal is."""
        return Path(self.shell.environment["PWD"])

    def run(self, text: str) -> str:
        return self.shell.run(text, COMMAND_SECONDS)


@pytest.fixture(scope="module")
def stranger(kubectl: Kubectl) -> Iterator[Stranger]:
    """Their machine: HOME has nothing but a kubeconfig and a buildx instance. Their kubectl is the
    sandbox's, and so is the cache of tools, which a first use may build for 20 minutes."""
    free_the_sandbox()
    started = sandbox_command("hub", timeout=2400)
    assert started.returncode == 0, started.stdout + started.stderr
    folder = Path(tempfile.mkdtemp(prefix="their machine "))
    home, tools, images = folder / "home", folder / "bin", folder / "registry"
    for each in (home, tools, images):
        each.mkdir()
    (tools / "kubectl").symlink_to(paths.BIN / "kubectl")
    cluster.buildx_instance(home)
    cluster.kubeconfig(home)
    variables = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "RAYLINE_CACHE": str(cache_root()),
        "HF_ENDPOINT": hub.address(kubectl),  # for `rayline facts`; pods know it by its name
        "PULUMI_SKIP_CONFIRMATIONS": "true",  # the answer yes to `up` and `destroy`
    }
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, folder)
        undo.enter_context(cluster.made_theirs(kubectl))
        undo.enter_context(registry.registry_with_password(images))
        shell = Shell(folder, login(home, variables), {"registryPassword": registry.PASSWORD})
        undo.callback(lambda: shutil.copy(shell.log, paths.LOGS / "theirs.log"))
        undo.callback(shell.close)
        made = Stranger(shell, kubectl, cluster.foreign(kubectl))
        undo.callback(_destroy, made)
        yield made


def _destroy(stranger: Stranger) -> None:
    """What a test that failed has left of the deployment."""
    if stranger.deployed:
        stranger.run("pulumi cancel --yes -s prod; pulumi destroy -s prod")
