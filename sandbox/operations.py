"""The verbs: tools, up, status, down. Each may be run at any time and in any state."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import toolchain
from sandbox import chart, console, debian, paths, preflight
from sandbox.cluster import bootstrap
from sandbox.cluster.kubectl import Kubectl
from sandbox.hub import deploy as hub_deployment
from sandbox.hub import image as hub_image
from sandbox.images import base, registry, stores, system
from sandbox.node import health, host, layout, lifecycle
from sandbox.settings import Settings
from toolchain.errors import CommandError, UserError
from toolchain.paths import cache_root

BIN = paths.CHECKOUT / ".bin"
"""Links to every binary: what a user, and the node, puts on PATH."""

CHART = lifecycle.STATE / "charts" / chart.NAME
HINT = "See `make sandbox-status` and the logs in .sandbox/logs/."


def _log(name: str) -> Path:
    return lifecycle.STATE / "logs" / f"{name}.log"


def tools() -> dict[str, Path]:
    """Find, download or build every binary; tool name to its folder."""
    found = toolchain.ensure(report=toolchain.ConsoleReporter())
    toolchain.link_farm(found, BIN)
    return found


@dataclass(frozen=True)
class Images:
    """References of the sandbox's own images."""

    pause: str
    coredns: str
    operator: str
    base: str


def images(settings: Settings) -> Images:
    def reference(image: system.BinaryImage) -> str:
        return image.reference(settings.registry, toolchain.TOOLS[image.tool].key())

    return Images(
        pause=reference(system.PAUSE),
        coredns=reference(system.COREDNS),
        operator=reference(system.OPERATOR),
        base=base.reference(settings.registry),
    )


@lifecycle.exclusive()
def up(settings: Settings) -> None:
    """From any state to a node that is Ready, with DNS, storage, GPUs and the operator's chart."""
    preflight.judge(preflight.inspect(cache_root()))
    holder = lifecycle.owner()
    if holder and not lifecycle.is_ours(holder):
        lifecycle.refuse_foreign(holder)
    debian.ensure(_log("debian"), console.note)
    found = tools()
    wanted = images(settings)
    kubectl = Kubectl(BIN / "kubectl", lifecycle.KUBECONFIG)
    if holder and _keeps_running(settings, found):
        console.note("the sandbox is running")
    else:
        _start(settings, found, wanted, leftovers=bool(holder) or health.is_running())
    _fill(settings, found, wanted, kubectl)
    console.note('ready; for kubectl and pulumi in this shell: eval "$(make -s sandbox-env)"')
    console.note(f"export KUBECONFIG='{lifecycle.KUBECONFIG}'")


def _keeps_running(settings: Settings, found: dict[str, Path]) -> bool:
    """Is what runs both healthy and what the settings ask for?"""
    try:
        running = json.loads(lifecycle.SPEC.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    if running != json.loads(json.dumps(lifecycle.spec(settings, found))):
        console.note("settings or binaries changed: restarting")
        return False
    ill = [row.name for row in health.rows(settings) if not row.ok]
    if ill:
        console.note(f"not healthy: {', '.join(ill)}: restarting")
    return not ill


def _start(settings: Settings, found: dict[str, Path], wanted: Images, *, leftovers: bool) -> None:
    if leftovers:
        with console.step("stopping what is left of an earlier run"):
            lifecycle.stop()
    else:
        lifecycle.stop()  # a killed run may have left a link, rules or control groups
    _refuse_conflicts(settings)
    stores.enforce(cache_root(), console.note)
    lifecycle.write_files(settings, found, wanted.pause)
    with console.step("namespaces and processes"):
        lifecycle.start(settings)


def _refuse_conflicts(settings: Settings) -> None:
    if taken := health.listeners(settings.registry_port):
        raise UserError(
            f"Port {settings.registry_port}, where the registry listens, is taken by "
            f"{', '.join(taken)}.",
            f"End that process, or choose another: make sandbox RAYLINE_REGISTRY_PORT="
            f"{settings.registry_port + 1}",
        )
    if routes := host.overlapping_routes(settings.network):
        raise UserError(
            f"The sandbox's network {settings.network} overlaps the route {', '.join(routes)}.",
            "Choose another private /16: make sandbox RAYLINE_NETWORK=10.214.0.0/16",
        )


def _fill(settings: Settings, found: dict[str, Path], wanted: Images, kubectl: Kubectl) -> None:
    """Images, objects and chart: everything is looked up first and made only when missing."""
    buildctl = BIN / "buildctl"
    with console.step("registry and BuildKit"):
        bootstrap.wait("An answer of the registry", lambda: _registry_answers(wanted), 20, HINT)
        bootstrap.wait("BuildKit's socket", lambda: _builder_answers(settings), 20, HINT)
        for image, reference in ((system.PAUSE, wanted.pause), (system.COREDNS, wanted.coredns)):
            system.ensure(image, reference, found[image.tool], buildctl, _log("images"))
    with console.step("node Ready"):
        bootstrap.wait(
            "An answer of the API server", lambda: bootstrap.api_ready(kubectl), 60, HINT
        )
        bootstrap.wait("The node's becoming Ready", lambda: bootstrap.node_ready(kubectl), 60, HINT)
    with console.step("DNS, storage classes, GPUs"):
        bootstrap.apply(kubectl, settings, wanted.coredns)
        bootstrap.wait(
            "CoreDNS's becoming Available", lambda: bootstrap.dns_available(kubectl), 60, HINT
        )
        bootstrap.wait(
            "The GPUs' showing up", lambda: bootstrap.gpus_advertised(kubectl, settings), 30, HINT
        )
    with console.step("operator image and chart"):
        operator = found[system.OPERATOR.tool]
        system.ensure(system.OPERATOR, wanted.operator, operator, buildctl, _log("images"))
        version = toolchain.TOOLS[system.OPERATOR.tool].version
        chart.generate(CHART, operator, version, wanted.operator)
    with console.step("base image (stand-in for rayproject/ray)"):
        base.ensure(wanted.base, buildctl, _log("base-image"))
    (lifecycle.STATE / "images.json").write_text(json.dumps(wanted.__dict__, indent=2))


def _registry_answers(wanted: Images) -> bool:
    try:
        registry.digest(wanted.pause)
    except OSError as error:
        raise CommandError(str(error)) from None
    return True


def _builder_answers(settings: Settings) -> bool:
    return next(row.ok for row in health.rows(settings) if row.name == "buildkitd")


def hub(settings: Settings) -> None:
    """Bring up the hub of models; nothing is done where it serves already."""
    holder = lifecycle.owner()
    if holder and not lifecycle.is_ours(holder):
        lifecycle.refuse_foreign(holder)
    if not holder:
        raise UserError("The sandbox is not running.", "Start it with: make sandbox")
    stand_in, buildctl = base.reference(settings.registry), BIN / "buildctl"
    kubectl = Kubectl(BIN / "kubectl", lifecycle.KUBECONFIG)
    image = hub_image.reference(settings.registry, stand_in)
    if registry.digest(image) is None:
        with console.step("the hub's image (trains the tiny model)"):
            base.ensure(stand_in, buildctl, _log("base-image"))
            hub_image.ensure(image, stand_in, buildctl, _log("hub-image"))
    hub_deployment.ensure(kubectl, image, "See: kubectl -n rayline-hub get pods,events")
    console.note(f"hub: {hub_deployment.URL}; here: {hub_deployment.address(kubectl)}")


def environment() -> dict[str, str]:
    """What a shell needs to use the sandbox."""
    return {
        "KUBECONFIG": str(lifecycle.KUBECONFIG),
        "BUILDX_CONFIG": str(lifecycle.BUILDX),
        "BUILDX_BUILDER": layout.BUILDER,
        "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}",
    }


def status(settings: Settings) -> bool:
    """Print one line a component; True when all are well."""
    holder = lifecycle.owner()
    if holder and not lifecycle.is_ours(holder):
        console.note(f"the sandbox of this machine belongs to {holder['checkout']}")
        return False
    if not holder and not health.is_running():
        console.note("the sandbox is not running; start it with: make sandbox")
        return False
    rows = health.rows(settings)
    print(console.table(rows))
    print(f"memory, all processes and pods: {health.memory() / 1024**2:.0f} MiB")
    print(f"export KUBECONFIG='{lifecycle.KUBECONFIG}'")
    return all(row.ok for row in rows)


def down(*, purge: bool) -> None:
    """Stop the sandbox and delete its cluster; with `purge` the stores of images as well."""
    holder = lifecycle.owner()
    if holder and not lifecycle.is_ours(holder):
        lifecycle.refuse_foreign(holder)
    with lifecycle.exclusive():
        with console.step("stopping the sandbox"):
            lifecycle.stop()
            lifecycle.remove_state()
        if purge:
            with console.step("removing the image stores"):
                stores.purge(cache_root())
