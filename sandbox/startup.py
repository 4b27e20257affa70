"""Starts the node, unless a running one fits the settings."""

import json
from pathlib import Path

from sandbox import console
from sandbox.images import stores
from sandbox.node import health, host, lifecycle
from sandbox.settings import Settings
from toolchain.errors import UserError
from toolchain.paths import cache_root


def ensure(settings: Settings, tools: dict[str, Path], pause_image: str) -> None:
    """Ensure that a node with these settings and binaries runs; it need not be Ready yet.

    The caller has checked that the machine's sandbox, if any, belongs to this checkout.
    """
    running = lifecycle.owner() is not None
    if running and _fits(settings, tools):
        console.note("the sandbox is running")
    else:
        _start(settings, tools, pause_image, leftovers=running or health.is_running())


def _fits(settings: Settings, tools: dict[str, Path]) -> bool:
    """Whether the running node is healthy and was started with these settings and binaries."""
    try:
        running = json.loads(lifecycle.SPEC.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    if running != json.loads(json.dumps(lifecycle.spec(settings, tools))):
        console.note("settings or binaries have changed; restarting")
        return False
    unhealthy = [row.name for row in health.rows(settings) if not row.ok]
    if unhealthy:
        console.note(f"not healthy: {', '.join(unhealthy)}; restarting")
    return not unhealthy


def _start(
    settings: Settings, tools: dict[str, Path], pause_image: str, *, leftovers: bool
) -> None:
    if leftovers:
        with console.step("stopping the rest of an earlier run"):
            lifecycle.stop()
    else:
        lifecycle.stop()  # a killed run may have left a link, rules or control groups
    _refuse_conflicts(settings)
    stores.enforce(cache_root(), console.note)
    lifecycle.write_files(settings, tools, pause_image)
    with console.step("namespaces and processes"):
        lifecycle.start(settings)


def _refuse_conflicts(settings: Settings) -> None:
    if listeners := health.listeners(settings.registry_port):
        raise UserError(
            f"The registry needs port {settings.registry_port}, but {', '.join(listeners)} "
            "is listening on it.",
            f"End that process, or choose another port: make sandbox RAYLINE_REGISTRY_PORT="
            f"{settings.registry_port + 1}",
        )
    if routes := host.overlapping_routes(settings.network):
        raise UserError(
            f"The sandbox's network {settings.network} overlaps this machine's route "
            f"{', '.join(routes)}.",
            "Choose another private /16: make sandbox RAYLINE_NETWORK=10.214.0.0/16",
        )
