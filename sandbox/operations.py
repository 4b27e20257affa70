"""The commands tools, up, hub, status and down; each may run at any time and in any state."""

from pathlib import Path

import toolchain
from sandbox import console, contents, debian, paths, preflight, startup
from sandbox.cluster.kubectl import Kubectl
from sandbox.hub import deploy as hub_deploy
from sandbox.hub import image as hub_image
from sandbox.images import base, registry, stores
from sandbox.images.references import references
from sandbox.node import components, health, lifecycle
from sandbox.settings import Settings
from toolchain import pulumi
from toolchain.errors import UserError
from toolchain.paths import cache_root


def tools(*optional: str, tests: bool = False) -> dict[str, Path]:
    """Find, download or build every binary, with `tests` also those that only the tests run;
    returns each tool's folder by its name. `optional`: names of optional tools to add."""
    report = toolchain.ConsoleReporter()
    # First, because the other call may remove Go's caches.
    folders = toolchain.ensure(optional, report=report)
    folders |= toolchain.ensure(report=report, tests=tests)
    pulumi.link(folders, paths.BIN)
    return folders


@lifecycle.exclusive()
def up(settings: Settings) -> None:
    """Bring the node from any state to Ready, with DNS, storage, GPUs and the operator's chart."""
    preflight.check(preflight.inspect(cache_root()))
    lifecycle.refuse_foreign()
    debian.ensure(paths.LOGS / "debian.log", console.note)
    folders = tools(*components.optional_tools(settings))
    images = references(settings)
    startup.ensure(settings, folders, images.pause)
    contents.ensure(settings, folders, images)
    console.note('ready; to use kubectl and pulumi in this shell: eval "$(make -s sandbox-env)"')
    console.note(f"export KUBECONFIG='{paths.KUBECONFIG}'")


def hub(settings: Settings) -> None:
    """Start the model hub in the cluster, unless it is already running."""
    lifecycle.refuse_foreign()
    if lifecycle.owner() is None:
        raise UserError("The sandbox is not running.", "Start it with: make sandbox")
    stand_in, buildctl = base.reference(settings.registry), paths.BIN / "buildctl"
    kubectl = Kubectl(paths.BIN / "kubectl", paths.KUBECONFIG)
    image = hub_image.reference(settings.registry, stand_in)
    if registry.digest(image) is None:
        with console.step("model hub's image (trains the tiny model)"):
            base.ensure(stand_in, buildctl, paths.LOGS / "base-image.log")
            hub_image.ensure(image, stand_in, buildctl, paths.LOGS / "hub-image.log")
    hub_deploy.ensure(kubectl, image)
    console.note(f"model hub: {hub_deploy.URL} in pods, {hub_deploy.address(kubectl)} from here")


def status(settings: Settings) -> bool:
    """Print one line per component; True when all are healthy."""
    holder = lifecycle.owner()
    if holder and not lifecycle.is_ours(holder):
        console.note(f"the checkout {holder['checkout']} runs this machine's sandbox")
        return False
    if not holder and not health.is_running():
        console.note("the sandbox is not running; start it with: make sandbox")
        return False
    rows = health.rows(settings)
    print(console.table(rows))
    print(f"memory of all processes and pods: {health.memory() / 1024**2:.0f} MiB")
    print(f"export KUBECONFIG='{paths.KUBECONFIG}'")
    return all(row.ok for row in rows)


def down(*, purge: bool) -> None:
    """Stop the sandbox and delete its cluster; with `purge`, the image stores as well."""
    lifecycle.refuse_foreign()
    with lifecycle.exclusive():
        with console.step("stopping the sandbox"):
            lifecycle.stop()
            lifecycle.remove_state()
        if purge:
            with console.step("removing the image stores"):
                stores.purge(cache_root())
