"""The environment variables that point a shell, kubectl and Pulumi at the sandbox."""

import os

from sandbox import paths
from sandbox.node import layout
from toolchain import pulumi


def environment() -> dict[str, str]:
    """The variables to set; PATH begins with the sandbox's binaries."""
    return {
        "KUBECONFIG": str(paths.KUBECONFIG),
        "BUILDX_CONFIG": str(paths.BUILDX),
        "BUILDX_BUILDER": layout.BUILDER,
        "PATH": f"{paths.BIN}:{os.environ.get('PATH', os.defpath)}",
        **pulumi.environment(),
    }
