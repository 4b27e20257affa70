"""Fills the cluster of a running node with images, Kubernetes objects and the operator's chart.

Each part is made only if it is missing.
"""

import json
from dataclasses import asdict
from pathlib import Path

from sandbox import chart, console, paths
from sandbox.cluster import bootstrap
from sandbox.cluster.kubectl import Kubectl
from sandbox.images import base, registry, system
from sandbox.images.references import References
from sandbox.node import health
from sandbox.settings import Settings
from toolchain import TOOLS
from toolchain.errors import CommandError

HINT = "See `make sandbox-status` and the logs in .sandbox/logs/."


def ensure(settings: Settings, tools: dict[str, Path], images: References) -> None:
    """Bring a started node to Ready, with DNS, storage, GPUs and the operator's chart."""
    kubectl = Kubectl(paths.BIN / "kubectl", paths.KUBECONFIG)
    buildctl = paths.BIN / "buildctl"
    log = paths.LOGS / "images.log"
    with console.step("registry and BuildKit"):
        bootstrap.wait("the registry to answer", lambda: _registry_answers(images), 20, HINT)
        bootstrap.wait("BuildKit to answer", lambda: _buildkit_answers(settings), 20, HINT)
        for image, reference in ((system.PAUSE, images.pause), (system.COREDNS, images.coredns)):
            system.ensure(image, reference, tools[image.tool], buildctl, log)
    with console.step("node Ready"):
        bootstrap.wait("the API server to answer", lambda: bootstrap.api_ready(kubectl), 60, HINT)
        bootstrap.wait("the node to become Ready", lambda: bootstrap.node_ready(kubectl), 60, HINT)
    with console.step("DNS, storage classes, GPUs"):
        bootstrap.apply(kubectl, settings, images.coredns)
        bootstrap.wait(
            "CoreDNS to become Available", lambda: bootstrap.dns_available(kubectl), 60, HINT
        )
        bootstrap.wait(
            "the node to advertise its GPUs",
            lambda: bootstrap.gpus_advertised(kubectl, settings),
            30,
            HINT,
        )
    with console.step("operator image and chart"):
        operator = tools[system.OPERATOR.tool]
        system.ensure(system.OPERATOR, images.operator, operator, buildctl, log)
        version = TOOLS[system.OPERATOR.tool].version
        chart.generate(chart.FOLDER, operator, version, images.operator)
    with console.step("base image (stand-in for rayproject/ray)"):
        base.ensure(images.base, buildctl, paths.LOGS / "base-image.log")
    (paths.STATE / "images.json").write_text(json.dumps(asdict(images), indent=2))


def _registry_answers(images: References) -> bool:
    try:
        registry.digest(images.pause)
    except OSError as error:
        raise CommandError(str(error)) from None
    return True


def _buildkit_answers(settings: Settings) -> bool:
    return next(row.ok for row in health.rows(settings) if row.name == "buildkitd")
